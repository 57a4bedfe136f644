from functools import partial

import pytest
import torch

from sparsefront.frontends import (
    BitDepth,
    Compose,
    CropEnsemble,
    FrontEnd,
    GaussianBlur,
    Identity,
    ImageQuilting,
    MeanFilter,
    Parallel,
    TopT,
    TotalVariation,
)
from sparsefront.model.defended import DefendedClassifier
from tests.helpers.front_end_contract import assert_keeps_the_contract, fitted, seeded

SHAPE = (1, 9, 8)


class Shown(FrontEnd):
    """Keeps what it learns from."""

    n_learning_steps = 2

    def __init__(self, image_shape):
        super().__init__(image_shape)
        self.learned.fill_(False)
        self.shown = []

    def forward(self, images):
        self.check_learned()
        return images / 2

    def learn_from(self, images):
        self.shown.append(images)
        return {}


def test_all_parts_see_the_image_and_an_images_copies_are_side_by_side():
    images = torch.rand(2, *SHAPE)
    out = Parallel(SHAPE, [partial(BitDepth, bits=1), MeanFilter])(images)
    expected = [BitDepth(SHAPE, 1)(images), MeanFilter(SHAPE)(images)]
    assert torch.equal(out, torch.stack([expected[part][image] for image in (0, 1) for part in (0, 1)]))


def test_probabilities_are_averaged_over_copies_then_over_parts():
    parts = [partial(CropEnsemble, n_crops=2), MeanFilter, partial(CropEnsemble, n_crops=3)]
    model = DefendedClassifier(
        lambda channels, classes: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(72, classes)),
        partial(Parallel, parts=parts), image_shape=SHAPE, num_classes=4,
    ).eval()  # fmt: skip
    images = torch.rand(5, *SHAPE)

    def apart(images):  # draws in the same order
        outs = [part(images).unflatten(0, (5, -1)) for part in model.frontend.parts]
        return torch.stack([
            torch.stack([model.classifier(out[:, copy]).softmax(1) for copy in range(out.shape[1])]).mean(0)
            for out in outs
        ]).mean(0)  # fmt: skip

    assert model.frontend.n_copies == 18
    torch.testing.assert_close(seeded(model, images).exp(), seeded(apart, images))


def test_it_is_random_if_a_part_is():
    assert Parallel(SHAPE, [GaussianBlur, CropEnsemble]).randomised
    assert not Parallel(SHAPE, [GaussianBlur, Identity]).randomised


def test_backward_modes_are_the_parts_own_all_exact_and_past_all():
    parallel = Parallel(SHAPE, [BitDepth, MeanFilter])
    images = torch.rand(2, *SHAPE)
    weights = torch.rand(4, *SHAPE)

    def gradient(function, weights):
        x = images.clone().requires_grad_()
        return torch.autograd.grad(function(x), x, weights)[0]

    mean = gradient(MeanFilter(SHAPE), weights[1::2])
    # BitDepth's default mode is the identity, its exact derivative 0
    torch.testing.assert_close(gradient(parallel.stand_in("parts"), weights), weights[::2] + mean)
    torch.testing.assert_close(gradient(parallel.stand_in("exact"), weights), mean)
    torch.testing.assert_close(gradient(parallel.stand_in("identity"), weights), weights[::2] + weights[1::2])
    assert parallel.default_backward == "parts"


def test_each_part_learns_from_the_images_given():
    images = torch.rand(6, *SHAPE)
    parallel = fitted(Parallel(SHAPE, [MeanFilter, Shown, Shown]), images)
    assert all(torch.equal(shown, images) for part in parallel.parts[1:] for shown in part.shown)
    assert [len(part.shown) for part in parallel.parts[1:]] == [2, 2]
    assert_keeps_the_contract(parallel, images)


def chains(image_shape):
    crops = partial(CropEnsemble, n_crops=2)
    quilts = partial(ImageQuilting, patch_size=4, n_patches=40, n_iterations=3)
    variation = partial(TotalVariation, n_iterations=2)
    return Parallel(
        image_shape,
        [crops, partial(Compose, parts=[variation, crops]), partial(Compose, parts=[variation, quilts, Shown, crops])],
    )


def test_chains_within_learn_as_they_do_alone():
    images = torch.rand(6, *SHAPE)
    parallel = chains(SHAPE)
    assert parallel.n_learning_steps == 5
    fitted(parallel, images)
    _, quilts, after, _ = parallel.parts[2].parts
    every = torch.nn.functional.unfold(images, 4).mT.flatten(0, 1)
    assert (torch.cdist(quilts.database, every, p=1).amin(dim=1) == 0).all()
    assert len(after.shown) == 2
    assert not torch.equal(after.shown[0], images)
    assert parallel.n_copies == 6
    assert_keeps_the_contract(parallel, images)


def test_a_trial_run_of_one_step_lets_every_part_of_every_chain_learn():
    parallel = chains(SHAPE)
    parallel.n_learning_steps = 1
    assert parallel.n_learning_steps == 2
    fitted(parallel, torch.rand(2, *SHAPE))(torch.rand(2, *SHAPE))


def test_parts_that_cannot_be_are_named():
    codes = partial(TopT, n_atoms=20, top_t=4, decoder="identity", dictionary="dct")
    with pytest.raises(ValueError, match="`parts` must return images, found TopT returning codes; let it decode them"):
        Parallel(SHAPE, [GaussianBlur, codes])
    with pytest.raises(ValueError, match="`parts` must name at least one front end, found none"):
        Parallel(SHAPE, [])
