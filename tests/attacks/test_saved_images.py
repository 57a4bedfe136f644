"""Files of saved images are read as data, and damage is said before any attack runs."""

import numpy as np
import pytest
import torch

from sparsefront.attacks import FGSM, JSMA, PGD, Budget, DeepFool, Growing, NoiseControl, SavedImages
from sparsefront.attacks.saved_images import save_images

FACTS = {"index": np.arange(3), "image": np.zeros((3, 1, 2, 2), np.float32), "linf": np.zeros(3, np.float32)}
ORIGIN = '{"knowledge": "white_box", "budget": null, "minimises": null}'


def saved(folder):
    images = torch.zeros(3, 1, 2, 2)
    save_images(folder, "batch", FGSM(eps=0.1), images, images + 0.05, torch.arange(3))
    return folder / "batch.npz"


def use(folder):
    attack = SavedImages(str(folder))
    _ = attack.budget
    return attack(lambda images: images.flatten(1), torch.zeros(3, 1, 2, 2), torch.zeros(3).long(), torch.arange(3))


def test_what_was_saved_is_found_and_the_folder_holds_nothing_else(tmp_path):
    file = saved(tmp_path)
    assert torch.equal(use(tmp_path), torch.full((3, 1, 2, 2), 0.05))
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    "content",
    [
        b"", b"no archive", "half", "a flipped byte",
        {"index": np.array([None, 1, 2])}, {"index": np.array(3)}, {"index": np.array(["a", "b", "c"])},
        {"index": np.arange(5)}, {"image": np.zeros((2, 1, 2, 2))}, {"origin": np.array("no JSON")},
        {"origin": np.array("[]")}, {"origin": np.array("{}")}, {"origin": np.array(None)},
        {"linf": np.array([None] * 3)},
    ],
    ids=str,
)  # fmt: skip
def test_a_damaged_file_is_named(tmp_path, content):
    file = saved(tmp_path)
    whole = file.read_bytes()
    if isinstance(content, dict):
        np.savez(
            file, **{**FACTS, "origin": '{"knowledge": "white_box", "budget": null, "minimises": null}', **content}
        )
    elif content == "half":
        file.write_bytes(whole[: len(whole) // 2])
    elif content == "a flipped byte":
        at = whole.index(b"image.npy") + 60
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    else:
        file.write_bytes(content)
    with pytest.raises(ValueError, match=r"`folder` of SavedImages must hold files .* found a damaged .*batch\.npz"):
        use(tmp_path)


def test_a_damaged_file_ends_in_a_sentence_that_names_it_where_nothing_else_would(tmp_path):
    saved(tmp_path)
    (tmp_path / "other.npz").write_bytes(b"no archive")
    with pytest.raises(ValueError, match=r"other\.npz; evaluate the other model again"):
        SavedImages(str(tmp_path))


@pytest.mark.parametrize(
    "attack",
    [PGD(eps="8/255"), PGD(eps=0.1, norm="L2", relative=True), Growing(PGD(), sizes=[0.1, 0.2]), DeepFool(), JSMA()],
    ids=lambda attack: type(attack).__name__,
)
def test_the_budget_and_what_is_minimised_are_those_of_the_attack_that_made_the_images(attack, tmp_path):
    images = torch.rand(2, 1, 3, 3)
    save_images(tmp_path, "0", attack, images, images, torch.arange(2))
    again = SavedImages(str(tmp_path))
    assert again.budget == attack.budget
    assert again.minimises == attack.minimises
    assert again.knowledge == "transfer"


def test_images_of_a_control_are_a_controls(tmp_path):
    images = torch.rand(2, 1, 3, 3)
    save_images(tmp_path, "0", NoiseControl(PGD(eps=0.1)), images, images, torch.arange(2))
    again = SavedImages(str(tmp_path))
    assert again.knowledge == "control"
    assert again.budget == Budget("Linf", 0.1)
