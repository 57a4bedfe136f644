import sys
from functools import partial
from pathlib import Path

import pytest
import torch

from sparsefront.cli.command import main
from sparsefront.frontends import (
    BitDepth,
    Compose,
    CropEnsemble,
    FrontEnd,
    GaussianBlur,
    Identity,
    ImageQuilting,
    MeanFilter,
    TopT,
    TotalVariation,
)
from sparsefront.frontends.settings import TopTLearning
from sparsefront.model.defended import DefendedClassifier
from tests.helpers.front_end_contract import assert_keeps_the_contract, fitted, seeded
from tests.helpers.places import CONFIGS
from tests.helpers.precision import in_single_precision

SHAPE = (1, 9, 8)


class Averaging(FrontEnd):
    """Learns the mean image of what it is shown, and returns it mixed with its input."""

    def __init__(self, image_shape, n_iterations=2):
        super().__init__(image_shape)
        self.n_learning_steps = n_iterations
        self.register_buffer("mean", torch.zeros(image_shape))
        self.learned.fill_(False)
        self.shown = []

    def forward(self, images):
        if not self.learned:
            raise RuntimeError("not learned")
        return (images + self.mean) / 2

    def learn_from(self, images):
        assert self.trainer.world_size == 1  # reachable, as sums over processes need it to be
        self.shown.append(images)
        self.mean.copy_(images.mean(dim=0))
        return {"mean": float(images.mean())}


def test_applies_its_parts_in_order():
    images = torch.rand(2, *SHAPE)
    composed = Compose(SHAPE, [partial(BitDepth, bits=1), MeanFilter])
    expected = MeanFilter(SHAPE)(BitDepth(SHAPE, 1)(images))
    assert torch.equal(composed(images), expected)
    assert not torch.equal(composed(images), BitDepth(SHAPE, 1)(MeanFilter(SHAPE)(images)))


def test_copies_multiply_and_one_random_part_makes_it_random():
    composed = Compose(SHAPE, [partial(CropEnsemble, n_crops=2), GaussianBlur, partial(CropEnsemble, n_crops=3)])
    assert composed.n_copies == 6
    assert composed.randomised
    assert composed(torch.rand(4, *SHAPE)).shape == (24, *SHAPE)
    # An image's copies are side by side.
    two = torch.stack([torch.zeros(SHAPE), torch.ones(SHAPE)])
    assert composed(two).mean(dim=(1, 2, 3)).tolist() == pytest.approx([0] * 6 + [1] * 6)
    assert not Compose(SHAPE, [GaussianBlur, Identity]).randomised


def test_backward_modes_are_the_parts_own_all_exact_and_past_all():
    composed = Compose(SHAPE, [BitDepth, MeanFilter])
    images = torch.rand(2, *SHAPE)

    def gradient(mode):
        x = images.clone().requires_grad_()
        weights = torch.arange(x.numel()).view_as(x) / x.numel()
        return torch.autograd.grad(composed.stand_in(mode)(x), x, weights)[0], weights

    parts, weights = gradient("parts")
    x = images.clone().requires_grad_()  # BitDepth's default mode is the identity, MeanFilter's is exact
    torch.testing.assert_close(parts, torch.autograd.grad(MeanFilter(SHAPE)(x), x, weights)[0])
    assert (gradient("exact")[0] == 0).all()
    assert torch.equal(gradient("identity")[0], weights)
    assert composed.default_backward == "parts"


def test_parts_learn_in_order_from_what_those_before_them_return():
    images = torch.rand(6, *SHAPE)
    composed = Compose(SHAPE, [MeanFilter, partial(Averaging, n_iterations=2), BitDepth, partial(Averaging)])
    assert composed.n_learning_steps == 4
    assert not composed.learned
    fitted(composed, images)
    first, second = composed.parts[1], composed.parts[3]
    assert composed.learned
    assert len(first.shown) == len(second.shown) == 2
    blurred = MeanFilter(SHAPE)(images)
    assert torch.equal(first.shown[0], blurred)
    torch.testing.assert_close(second.shown[0], BitDepth(SHAPE)((blurred + first.mean) / 2))
    # No part holds the Trainer that is gone.
    assert first._trainer is None
    assert_keeps_the_contract(composed, images)


@pytest.mark.parametrize("within", [False, True])
def test_quilts_learn_clean_patches_whatever_comes_before(within):
    images = torch.rand(6, *SHAPE)
    quilts = partial(ImageQuilting, patch_size=4, n_patches=40, n_iterations=2)
    if within:  # a chain of a chain
        quilts = partial(Compose, parts=[MeanFilter, quilts])
    composed = fitted(Compose(SHAPE, [TotalVariation, quilts]), images)
    every = torch.nn.functional.unfold(images, 4).mT.flatten(0, 1)
    assert (torch.cdist(composed.atoms().flatten(1), every, p=1).amin(dim=1) == 0).all()


def test_the_same_images_teach_the_same_whatever_was_drawn_before():
    images, state = torch.rand(6, *SHAPE), torch.get_rng_state()
    parts = [partial(TotalVariation, n_iterations=2), partial(Averaging, n_iterations=2)]
    first = fitted(Compose(SHAPE, parts), images).parts[1]
    torch.rand(7)
    again = fitted(Compose(SHAPE, parts), images).parts[1]
    assert torch.equal(first.mean, again.mean)
    assert not torch.equal(first.shown[0], first.shown[1])  # yet drawn anew in each step
    torch.set_rng_state(state)
    composed = Compose(SHAPE, parts)
    composed._shown_to(1, images)
    assert torch.equal(torch.get_rng_state(), state)


def test_what_has_learned_already_is_left_alone():
    dct = partial(TopT, n_atoms=20, top_t=4, decoder="small", dictionary="dct", learning=TopTLearning(n_iterations=50))
    composed = Compose(SHAPE, [dct])
    assert composed.learned
    assert composed.n_learning_steps == 0


def test_a_trial_run_of_one_step_lets_every_part_learn():
    """Stage one sets the steps to 1 under `fast_dev_run`, and back."""
    composed = Compose(SHAPE, [partial(Averaging, n_iterations=7), partial(Averaging, n_iterations=5)])
    before = composed.n_learning_steps
    composed.n_learning_steps = 1
    fitted(composed, torch.rand(2, *SHAPE))
    composed.n_learning_steps = before
    assert composed.n_learning_steps == 12
    assert [len(part.shown) for part in composed.parts] == [1, 1]
    composed(torch.rand(2, *SHAPE))


def test_a_part_that_has_not_learned_says_so():
    with pytest.raises(RuntimeError, match="not learned"):
        Compose(SHAPE, [Averaging])(torch.rand(1, *SHAPE))


def test_codes_may_come_last_and_only_last():
    codes = partial(TopT, n_atoms=20, top_t=4, decoder="identity", dictionary="dct")
    composed = Compose(SHAPE, [GaussianBlur, codes])
    assert not composed.returns_images
    assert composed.out_channels == 20
    assert set(composed.backward_modes()) == {"parts", "exact"}
    assert composed.atoms().shape == (20, 1, 4, 4)
    torch.testing.assert_close(composed(torch.rand(2, *SHAPE)).shape, torch.Size([2, 20, 3, 3]))
    with pytest.raises(ValueError, match="`parts` must return images but for the last, found TopT returning codes"):
        Compose(SHAPE, [codes, GaussianBlur])
    with pytest.raises(ValueError, match="`parts` must name at least one front end, found none"):
        Compose(SHAPE, [])


@in_single_precision("pictures are read in it")
@pytest.mark.filterwarnings("ignore")
def test_the_command_line_builds_trains_and_reloads_a_list_of_parts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["sparsefront"])
    Path("parts.yaml").write_text(
        """
        model:
          frontend:
            class_path: sparsefront.frontends.Compose
            init_args:
              parts:
                - class_path: sparsefront.frontends.BitDepth
                  init_args: {bits: 4}
                - class_path: TopT
                  init_args: {n_atoms: 20, top_t: 3, decoder: small, learning: {n_iterations: 2}}
                - Identity
                - class_path: CropEnsemble
                  init_args: {n_crops: 2}
        """
    )
    fragments = [
        CONFIGS / "base.yaml",
        CONFIGS / "data/mnist5k.yaml",
        CONFIGS / "classifiers/convnet.yaml",
        "parts.yaml",
    ]
    cli = main(["fit", *(word for path in fragments for word in ("--config", str(path))),
                "--trainer.max_epochs", "1", "--trainer.limit_train_batches", "1", "--trainer.limit_val_batches", "1",
                "--trainer.accelerator", "cpu", "--data.val_size", "5", "--data.batch_size", "8",
                "--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false",
                "--attacks+", "{name: fgsm, attack: {class_path: FGSM, init_args: {eps: 0.1}}}"])  # fmt: skip
    assert [type(part).__name__ for part in cli.model.frontend.parts] == [
        "BitDepth",
        "TopT",
        "Identity",
        "CropEnsemble",
    ]
    assert cli.model.frontend.parts[0].bits == 4
    assert "val/robust_acc/fgsm" in cli.trainer.callback_metrics
    again = DefendedClassifier.load_from_checkpoint(
        "runs/default/version_0/checkpoints/last.ckpt", map_location="cpu"
    ).eval()
    images = torch.rand(3, 1, 28, 28)
    assert torch.equal(seeded(again, images), seeded(cli.model.eval(), images))


class Halves(FrontEnd):
    """Codes of two copies of an image, which rebuild it at half its contrast."""

    returns_images, n_copies = False, 2

    def forward(self, images):
        return images.repeat_interleave(2, dim=0)

    def reconstruct(self, images):
        return images / 2


class Blind(Halves):
    def reconstruct(self, images):
        return FrontEnd.reconstruct(self, images)


def test_what_is_left_of_images_is_what_the_last_part_returns_or_rebuilds():
    images = torch.rand(3, *SHAPE)
    crops = partial(CropEnsemble, n_crops=3, crop=1.0)  # whole images: no copy differs
    assert torch.equal(Compose(SHAPE, [Identity, GaussianBlur]).reconstruct(images), GaussianBlur(SHAPE)(images))
    assert torch.allclose(Compose(SHAPE, [crops, Identity]).reconstruct(images), images, atol=1e-6)
    assert torch.allclose(Compose(SHAPE, [crops, Halves]).reconstruct(images), images / 2, atol=1e-6)
    assert Compose(SHAPE, [Identity, Blind]).reconstruct(images) is None
