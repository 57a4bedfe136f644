"""A classifier is trained on what its frozen front end returned once."""

import importlib
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import ClassVar

import numpy
import pytest
import pytorch_lightning as pl
import torch
from torch import multiprocessing, nn

from sparsefront import DefendedClassifier, FrontEndCache, learn_front_end
from sparsefront.common.source_code import code_of
from sparsefront.data import ImageData, ImageFolder
from sparsefront.data.cached.projected_batch import ProjectedBatch
from sparsefront.data.cached.projections import Projections
from sparsefront.data.settings import FileReading
from sparsefront.data.splits.sources import ArrayImages
from sparsefront.frontends import DDL, Compose, CropEnsemble, FrontEnd, Identity, MagNet, RegionSparse, TopT
from sparsefront.frontends.settings import DDLLearning, RegionSparseLearning, TopTLearning
from sparsefront.model.described import described

pytestmark = pytest.mark.filterwarnings("ignore")
SHAPE = (1, 8, 8)


class Noise(ImageData):
    """A set of noise: 20 training images and 4 for validation, or other sizes."""

    def __init__(self, number=24, image_shape=SHAPE, val_size=4, augment="none", batch_size=6, seed=0, num_workers=0):
        super().__init__(
            image_shape=image_shape, class_names=("a", "b"), own_parts=("train",), batch_size=batch_size,
            val_size=val_size, test_size=0, seed=seed, num_workers=num_workers, augment=augment,
        )  # fmt: skip
        generator = torch.Generator().manual_seed(1)
        self.images = torch.randint(0, 256, (number, *image_shape), dtype=torch.uint8, generator=generator)

    def source(self, part):
        return ArrayImages(self.images, torch.arange(len(self.images)) % 2, self.image_shape[1:])


class Squared(FrontEnd):
    """x^2 times a weight; keeps how many images it met, and can be stopped."""

    met: ClassVar[list[int]] = []
    stop_after = None

    def __init__(self, image_shape, weight=1.0, power=2):
        super().__init__(image_shape)
        self.power = power
        self.register_buffer("weight", torch.tensor(weight))

    def forward(self, images):
        if Squared.stop_after is not None and sum(Squared.met) >= Squared.stop_after:
            os.kill(os.getpid(), signal.SIGKILL)
        Squared.met.append(len(images))
        return self.weight * images**self.power


class Codes(Squared):
    returns_images = False

    def forward(self, images):
        return super().forward(images)[..., ::2, ::2]


class Drawing(Squared):
    randomised = True


class WithDropout(nn.Module):
    def __init__(self, in_chans, num_classes):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.LazyLinear(num_classes))
        self.layers(torch.zeros(1, in_chans, *SHAPE[1:]))

    def forward(self, images):
        return self.layers(images)


class ReadsCodes(nn.Module):
    def __init__(self, in_chans, num_classes):
        super().__init__()
        self.layers = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(in_chans, num_classes))

    def forward(self, codes):
        return self.layers(codes)


class Witness(DefendedClassifier):
    """Keeps its training batches, epoch by epoch."""

    def training_step(self, batch, batch_idx):
        self.__dict__.setdefault("batches", {}).setdefault(self.current_epoch, []).append(batch)
        return super().training_step(batch, batch_idx)

    def trained_on(self, epoch=0):
        """Images in the order of their index."""
        images, _, index = (torch.cat(fields) for fields in zip(*self.batches[epoch], strict=True))
        return images[index.argsort()]


@pytest.fixture(autouse=True)
def nothing_met():
    Squared.met, Squared.stop_after = [], None


@pytest.fixture
def fit(tmp_path):
    def run(frontend=Squared, data=None, epochs=1, dtype="exact", folder=tmp_path / "cache", **settings):
        torch.manual_seed(0)
        classifier = settings.pop("classifier", WithDropout)
        model = Witness(classifier, frontend, image_shape=(data or Noise()).image_shape, num_classes=2)
        data = data or Noise()
        trainer = pl.Trainer(
            max_epochs=epochs, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
            enable_model_summary=False, num_sanity_val_steps=0, default_root_dir=tmp_path,
            callbacks=[FrontEndCache(None if folder is None else str(folder), dtype)], **settings,
        )  # fmt: skip
        if not model.frontend.learned:
            learn_front_end(model.frontend, data, trainer)
        trainer.fit(model, data)
        return model, data

    return run


def plain(data):
    """The training images in the order of their index."""
    split = data.plain_training_split()
    return split.source.pixels(split.positions.sort().values) / 255


def kept(tmp_path):
    return [Projections(path.parent, 20)[torch.arange(20)] for path in sorted(tmp_path.glob("cache/*/rows.npy"))]


def test_the_classifier_is_trained_on_what_the_front_end_returns_bit_by_bit(fit):
    model, data = fit()
    assert torch.equal(model.trained_on(), plain(data).square())
    assert all(isinstance(batch, ProjectedBatch) for batch in model.batches[0])
    assert data.projected is None  # the next model may have another front end


def test_so_it_is_behind_one_that_learned(fit):
    model, data = fit(lambda shape: DDL(shape, n_atoms=8, patch_size=4, learning=DDLLearning(n_iterations=2)))
    split = data.plain_training_split()
    seen = [model.frontend(split.__getitems__(rows.tolist()).image) for rows in torch.arange(20).split(6)]
    assert torch.equal(model.trained_on(), torch.cat(seen)[split.positions.argsort()])


def test_training_is_the_same_as_without_and_the_front_end_meets_each_training_image_once(fit, tmp_path):
    without, _ = fit(epochs=3, folder=None)
    assert sum(Squared.met) == 3 * (20 + 4)
    Squared.met = []
    model, _ = fit(epochs=3)
    assert sum(Squared.met) == 1 + 20 + 3 * 4  # one for the shape; validation goes through it
    for ours, plainly in zip(model.state_dict().values(), without.state_dict().values(), strict=True):
        assert torch.equal(ours, plainly)
    Squared.met = []
    fit(limit_val_batches=0)
    assert Squared.met == []  # another run with nothing changed
    assert len(kept(tmp_path)) == 1


class OtherwiseInTraining(Squared):
    def forward(self, images):
        return super().forward(images) / (2 if self.training else 1)


def test_what_is_kept_is_what_is_deployed_and_the_modes_come_back(fit):
    model, data = fit(OtherwiseInTraining)
    assert torch.equal(model.trained_on(), plain(data).square())
    assert model.frontend.training


def test_loader_processes_serve_it_too(fit):
    model, data = fit(data=Noise(num_workers=1), limit_val_batches=0)
    assert torch.equal(model.trained_on(), plain(data).square())


class Doubled(Squared):
    def forward(self, images):
        return super().forward(images) / 2


def with_one_other_pixel():
    data = Noise()
    data.images[data.plain_training_split().positions[7], 0, 3, 3] ^= 1
    return data


@pytest.mark.parametrize(
    "changed",
    [
        {"frontend": lambda shape: Squared(shape, weight=0.5)},
        {"frontend": lambda shape: Squared(shape, power=3)},
        {"frontend": Doubled},
        {"data": with_one_other_pixel},
        {"data": lambda: Noise(number=25)},
        {"data": lambda: Noise(val_size=5)},
        {"data": lambda: Noise(seed=1)},
        {"data": lambda: Noise(image_shape=(1, 4, 16))},
        {"dtype": "float16"},
        {"precision": "bf16-mixed"},
    ],
    ids=["tensor", "setting", "class", "pixel", "more", "fewer", "other", "shape", "dtype", "precision"],
)
def test_nothing_stale_is_trained_on(fit, tmp_path, changed):
    fit(limit_val_batches=0)
    if "data" in changed:
        changed = changed | {"data": changed["data"]()}
    Squared.met = []
    model, data = fit(**changed, limit_val_batches=0)
    assert sum(Squared.met) == 1 + len(data.plain_training_split())
    expected = model.frontend(plain(data))
    torch.testing.assert_close(model.trained_on(), expected, atol=0 if "dtype" not in changed else 2**-12, rtol=0)
    assert len(list(tmp_path.glob("cache/*/rows.npy"))) == 2


@pytest.mark.parametrize("same", [{"augment": "crop"}, {"batch_size": 5}])
def test_what_comes_after_the_front_end_changes_nothing(fit, same):
    fit(limit_val_batches=0)
    Squared.met = []
    fit(data=Noise(**same), limit_val_batches=0)
    assert Squared.met == []


def test_an_edit_of_code_that_the_front_end_uses_is_noticed(fit, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    helper, own = tmp_path / "helper_of_halves.py", tmp_path / "front_end_of_halves.py"
    own.write_text(
        "from sparsefront.frontends import FrontEnd\n\n\nclass Halves(FrontEnd):\n    def forward(self, images):\n"
        "        from helper_of_halves import scale\n        return scale * images\n"
    )
    for scale in (0.5, 0.25, 0.5):
        helper.write_text(f"scale = {scale}\n# {scale}\n")
        for name in (helper.stem, own.stem):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        model, data = fit(importlib.import_module(own.stem).Halves)
        assert torch.equal(model.trained_on(), scale * plain(data))
    assert len(kept(tmp_path)) == 2


def test_code_is_followed_through_imports_and_what_is_installed_is_named_by_its_version():
    code = code_of(Compose(SHAPE, [lambda shape: DDL(shape, patch_size=4)]))
    assert {
        "sparsefront.frontends.compose",
        "sparsefront.frontends.ddl",
        "sparsefront.frontends.base",
        "sparsecode.omp",
        "sparsecode._native.omp",
    } <= set(code)
    assert "sparsefront.frontends.top_t" not in code
    assert torch.__version__.startswith(code["torch"])
    assert "scikit-learn" in code


def test_a_front_end_that_no_file_defines_is_refused(fit):
    nowhere = type("Nowhere", (Squared,), {"__module__": "nowhere"})
    with pytest.raises(ValueError, match=r"must be defined in a file .* found a class of nowhere"):
        fit(nowhere)


@pytest.mark.parametrize(
    "build",
    [
        lambda: DDL(SHAPE, n_atoms=8, patch_size=4, learning=DDLLearning(n_iterations=2)),
        lambda: RegionSparse(SHAPE, n_atoms=16, patch_size=4, learning=RegionSparseLearning(n_iterations=2)),
        lambda: MagNet(SHAPE, n_iterations=2),
        lambda: TopT(
            SHAPE, n_atoms=8, patch_size=4, top_t=2, learning=TopTLearning(n_iterations=2), decoder="identity"
        ),
        lambda: Compose(
            SHAPE, [lambda shape: DDL(shape, n_atoms=8, patch_size=4, learning=DDLLearning(n_iterations=2)), Identity]
        ),
    ],
)
def test_what_was_learned_is_the_same_after_a_checkpoint(build):
    frontend, again = build(), build()
    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, enable_checkpointing=False)
    learn_front_end(frontend, Noise(), trainer)
    frontend(torch.rand(2, *SHAPE))
    before = described(again)
    again.load_state_dict(frontend.state_dict())
    assert described(again) == described(frontend) != before


def in_child(function):
    """Run in a process that may be killed; the exit code."""
    child = multiprocessing.get_context("fork").Process(target=function)
    child.start()
    child.join()
    return child.exitcode


def test_a_killed_run_is_gone_on_with_and_nothing_half_written_is_read(fit, tmp_path):
    Squared.stop_after = 1 + 12
    assert in_child(fit) == -signal.SIGKILL
    assert len(list(tmp_path.glob("cache/*/rows.part"))) == 1
    assert kept(tmp_path) == []
    Squared.stop_after = None
    model, data = fit(limit_val_batches=0)
    assert sum(Squared.met) == 1 + 8
    assert torch.equal(model.trained_on(), plain(data).square())
    assert [path.name for path in sorted(tmp_path.glob("cache/*/*"))] == ["about.json", "lock", "rows.npy"]


def test_files_of_which_a_part_is_lost_are_begun_anew(fit, tmp_path):
    Squared.stop_after = 1 + 12
    in_child(fit)
    next(tmp_path.glob("cache/*/rows.part")).unlink()
    Squared.stop_after = None
    model, data = fit()
    assert torch.equal(model.trained_on(), plain(data).square())


def test_two_processes_write_their_shares_and_read_all(fit, tmp_path):
    shown = tmp_path / "shown"
    shown.mkdir()

    class Told(Squared):
        def forward(self, images):
            with (shown / str(os.getpid())).open("ab") as file:
                file.write(bytes([len(images)]))
            return super().forward(images)

    fit(Told, strategy="ddp_fork", devices=2, limit_val_batches=0)
    assert sorted(sum(path.read_bytes()) for path in shown.iterdir()) == [11, 11]  # half of the images and the example
    model, data = fit(Told, limit_val_batches=0)
    assert Squared.met == []
    assert torch.equal(model.trained_on(), plain(data).square())


def test_augmentation_acts_on_what_the_front_end_returned(fit):
    model, data = fit(data=Noise(augment="crop_flip"), epochs=2)
    clean, cropped = plain(data).square(), model.trained_on(1)
    assert not torch.equal(cropped, clean)
    positions = data.plain_training_split().positions.sort().values
    for number, batch in enumerate(model.batches[1]):
        rows = torch.searchsorted(positions, batch.index)
        assert torch.equal(batch.image, data._augment(clean[rows], data.seed, 1, number, 0))


def test_pictures_from_files_are_cropped_after_the_front_end(fit, tmp_path):
    from PIL import Image

    for number in range(8):
        path = tmp_path / "tree" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((torch.rand(12, 9) * 255).to(torch.uint8).numpy()).save(path)
    data = ImageFolder(str(tmp_path / "tree"), image_size=8, reading=FileReading(channels=1), val_size=0, test_size=0,
                       augment="resized_crop_flip")  # fmt: skip
    model, _ = fit(data=data)
    (batch,) = model.batches[0]
    assert torch.equal(batch.image, data._augment(plain(data).square()[batch.index], 0, 0, 0, 0))


@pytest.mark.parametrize(("dtype", "error"), [("float16", 2**-12), ("uint8", 1 / 510 + 1e-6)])
def test_fewer_bytes_a_number_round(fit, tmp_path, dtype, error):
    model, data = fit(dtype=dtype)
    exact = plain(data).square()
    assert 0 < (model.trained_on() - exact).abs().max() <= error
    (path,) = tmp_path.glob("cache/*/rows.npy")
    assert path.stat().st_size == 128 + 20 * 64 * {"float16": 2, "uint8": 1}[dtype]


def test_codes_are_kept_as_they_are(fit):
    model, data = fit(Codes, classifier=ReadsCodes)
    assert torch.equal(model.trained_on(), plain(data).square()[..., ::2, ::2])


def small_top_t(shape):
    return TopT(shape, n_atoms=8, patch_size=4, top_t=2, learning=TopTLearning(n_iterations=2), decoder="small")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"frontend": Drawing},
            "needs a front end that returns the same in every call, found Drawing, which draws anew",
        ),
        (
            {"frontend": lambda shape: CropEnsemble(shape, crop=1.0, n_crops=3)},
            "one result an image, found CropE",
        ),
        (
            {"frontend": small_top_t},
            r"needs a frozen front end, found TopT, which leaves \d+ tensors to train, decoder",
        ),
        (
            {"frontend": Codes, "classifier": ReadsCodes, "data": Noise(augment="crop")},
            "returns images where `data.augment` is crop, found Codes, which returns codes; write null to run it",
        ),
        ({"frontend": Codes, "classifier": ReadsCodes, "dtype": "uint8"}, "where `frontend_cache.dtype` is uint8"),
        ({"dtype": "int4"}, "`frontend_cache.dtype` must be one of exact, float16, uint8, found 'int4'"),
        ({"folder": "/proc/none"}, "`frontend_cache.folder` must be one that can be written to, found /proc/none"),
    ],
)
def test_what_cannot_be_kept_is_refused_in_one_sentence(fit, settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        fit(**settings)


def test_data_that_repeats_images_are_refused(tmp_path):
    data = Noise()
    data.repeats = True
    with pytest.raises(ValueError, match=r"found Noise, which repeats some; write `data.people.positive_share: null`"):
        FrontEndCache(str(tmp_path)).check(DefendedClassifier(ReadsCodes), data)


def test_data_loaders_are_refused(tmp_path):
    with pytest.raises(ValueError, match="and an ImageData as `datamodule`, found DefendedClassifier and NoneType"):
        FrontEndCache(str(tmp_path)).check(DefendedClassifier(ReadsCodes), None)


def test_room_is_asked_for_before_the_work(fit, monkeypatch, tmp_path, capsys):
    size = 20 * 64 * 4
    fit()
    assert f"Front end cache: {size:,} bytes for T(x) of 20 training images" in capsys.readouterr().out
    shutil.rmtree(tmp_path / "cache")
    usage = shutil.disk_usage(tmp_path)._replace(free=size - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    Squared.met = []
    with pytest.raises(
        ValueError, match=r"`frontend_cache.folder` must have room for 5,120 bytes .* found 5,119 bytes"
    ):
        fit()
    assert sum(Squared.met) == 1
    assert not list(tmp_path.glob("cache/*/rows*"))


def test_the_data_serves_images_again_after_a_failure(fit, monkeypatch, tmp_path):
    data = Noise()
    with pytest.raises(ValueError, match="written to"):
        fit(data=data, folder="/proc/none")
    assert data.projected is None


def test_a_damaged_file_is_named(fit, tmp_path):
    fit()
    (path,) = tmp_path.glob("cache/*/rows.npy")
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(
        ValueError,
        match=r"`frontend_cache.folder` must hold whole files, found a damaged .*rows.npy; delete that folder",
    ):
        fit()


@pytest.mark.parametrize(
    "change",
    [
        numpy.zeros_like,
        lambda rows: rows * numpy.nan,
        lambda rows: rows[:-1],
        lambda rows: numpy.concatenate([rows, rows]),
        lambda rows: rows[..., :-1],
        lambda rows: rows.astype(numpy.float64),
        lambda rows: rows[::-1],
        lambda rows: numpy.nextafter(rows, 2),
        lambda rows: numpy.array(3.0),
        lambda rows: numpy.array([None]),
    ],
    ids=["zeros", "NaN", "too few", "too many", "another size", "another type", "another order", "one bit", "a number",
         "an object"],
)  # fmt: skip
def test_rows_that_are_not_those_written_are_refused(fit, tmp_path, change):
    fit()
    (path,) = tmp_path.glob("cache/*/rows.npy")
    numpy.save(path, change(numpy.load(path)))
    Squared.met = []
    with pytest.raises(ValueError, match=r"must hold whole files, found a damaged .*rows.npy; delete that folder and"):
        fit()
    assert Squared.met == []
    shutil.rmtree(path.parent)
    fit()


@pytest.mark.parametrize("content", [None, b"", b"[]", b"{}", b'{"rows": 3}', b"\xff"])
def test_rows_of_which_nothing_says_what_they_were_are_refused(fit, tmp_path, content):
    fit()
    (path,) = tmp_path.glob("cache/*/about.json")
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(ValueError, match=r"must hold whole files, found a damaged .*rows.npy"):
        fit()


@pytest.mark.parametrize("file", ["rows.part", "done"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-7] + b"1234567",
        lambda content: content[:-40] + bytes(40),
        lambda content: content[: len(content) // 2],
        lambda content: b"",
        lambda content: content + content,
        lambda content: b"\xff" * len(content),
    ],
    ids=["changed", "zeros", "half", "empty", "twice", "overwritten"],
)
def test_what_an_interrupted_run_left_is_taken_as_far_as_it_is_whole(fit, tmp_path, file, damage):
    Squared.stop_after = 1 + 12
    in_child(fit)
    (path,) = tmp_path.glob(f"cache/*/{file}")
    path.write_bytes(damage(path.read_bytes()))
    Squared.stop_after = None
    model, data = fit()
    assert torch.equal(model.trained_on(), plain(data).square())


def test_a_dry_run_keeps_nothing(fit, tmp_path):
    model, _ = fit(fast_dev_run=1)
    assert not Path(tmp_path, "cache").exists()
    assert not isinstance(model.batches[0][0], ProjectedBatch)
