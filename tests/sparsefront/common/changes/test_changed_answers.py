"""Answers for changed pixels beside answers to whole images."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sparsefront import DefendedClassifier
from sparsefront.attacks import WhiteBox
from sparsefront.classifiers import ConvNet
from sparsefront.common.changes.changed_answers import ChangedAnswers
from sparsefront.common.changes.program import Program
from sparsefront.common.changes.steps_of import steps_of
from sparsefront.frontends import DDL, Identity, TopT


def model(frontend, image_shape):
    torch.manual_seed(0)
    defended = DefendedClassifier(lambda c, k: ConvNet(c, k, width=4, hidden=8), frontend, image_shape, num_classes=3)
    if isinstance(defended.frontend, TopT | DDL):
        atoms = torch.randn_like(defended.frontend.dictionary)
        lengths = atoms.norm(dim=0) if isinstance(defended.frontend, TopT) else 1  # DDL takes care of its own
        defended.frontend.dictionary.copy_(atoms / lengths)
        defended.frontend.learned.fill_(True)
    return defended.eval().requires_grad_(False).double()


def top_t(decoder, patch_size, stride):
    return lambda shape: TopT(shape, n_atoms=12, patch_size=patch_size, stride=stride, top_t=3, decoder=decoder)


def ddl(patch_size=3, **given):
    return lambda shape: DDL(shape, n_atoms=12, patch_size=patch_size, **given)


def walked(answers, logits, images, generator, queries=12):
    """Ask about random windows of some samples, keep some, and compare every answer with that to the whole images."""
    best, (height, width) = images.clone(), images.shape[2:]
    for query in range(queries):
        rows = torch.randperm(len(images), generator=generator)[: 1 + query % len(images)]
        sizes = [int(torch.randint(1, side + 1, (), generator=generator)) for side in (height, width)]
        windows = torch.tensor(
            [
                [*(int(torch.randint(0, full - one + 1, (), generator=generator)) for full, one in
                   zip((height, width), sizes, strict=True)), *sizes]
                for _ in rows
            ]
        )  # fmt: skip
        points = best[rows].clone()
        for point, (top, left, high, wide) in zip(points, windows.tolist(), strict=True):
            point[:, top : top + high, left : left + wide] = torch.rand(
                len(point), high, wide, generator=generator, dtype=point.dtype
            )
        torch.testing.assert_close(answers.ask(rows, points), logits(points), rtol=1e-9, atol=1e-9)
        accepted = torch.rand(len(rows), generator=generator) < 0.5
        answers.settle(accepted)
        best[rows[accepted]] = points[accepted]


FRONT_ENDS = {
    "none": Identity,
    "small": top_t("small", 4, 2),
    "paper": top_t("transposed", 4, 2),
    "odd": top_t("small", 5, 2),
    "dense": top_t("small", 3, 1),
    "codes": top_t("identity", 4, 2),
    "patches": ddl(),
    "patches of one atom": ddl(n_nonzero_coefs=1, rule="omp"),
    "patches with gaps": ddl(patch_size=4, stride=3),
    "correlated patches": ddl(rule="omp"),
}


@pytest.mark.parametrize("frontend", FRONT_ENDS.values(), ids=FRONT_ENDS)
@settings(max_examples=8, deadline=None)
@given(st.integers(12, 17), st.integers(12, 17), st.integers(1, 3), st.integers(0, 99))
def test_answers_to_changes_are_those_to_whole_images(frontend, height, width, channels, seed):
    defended = model(frontend, (channels, height, width))
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(3, channels, height, width, generator=generator, dtype=torch.float64)
    logits = WhiteBox()(defended)
    answers = logits.nearby(images)
    if defended.frontend.change_steps() is None:  # a decoder whose maps are smaller than the image
        assert answers is None
    else:
        walked(answers, logits, images, generator)


def test_layers_that_cannot_be_followed_compute_the_whole():
    torch.manual_seed(0)
    begin = [nn.Conv2d(1, 2, 3), nn.ReLU(inplace=True), nn.Conv2d(2, 3, 3, stride=2)]
    network = nn.Sequential(*begin, nn.Flatten(), nn.Softmax(dim=1), nn.LazyLinear(3)).double().eval()
    images = torch.rand(2, 1, 12, 12, dtype=torch.float64)
    network(images)
    steps, rest = steps_of([network])
    assert (len(steps), len(rest)) == (3, 3)
    with torch.no_grad():
        walked(
            ChangedAnswers(network, Program(steps, images[:1]), nn.Sequential(*rest), images),
            network,
            images,
            torch.Generator(),
        )


@pytest.mark.parametrize("last", [[], [nn.Softmax(dim=1)]], ids=["followed to its end", "as far as it goes"])
def test_linear_layers_of_flattened_maps_are_followed(last):
    torch.manual_seed(0)
    layers = [nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(210, 7), nn.GELU(), nn.Linear(7, 4), *last]
    network = nn.Sequential(*layers).double().eval()
    images = torch.rand(3, 2, 9, 12, dtype=torch.float64)
    steps, rest = steps_of([network])
    assert len(steps) == 5
    with torch.no_grad():
        answers = ChangedAnswers(network, Program(steps, images[:1]), nn.Sequential(*rest), images)
        walked(answers, network, images, torch.Generator().manual_seed(0))


class Doubled(nn.Linear):
    """Computes something else than its base."""

    def forward(self, values):
        return 2 * super().forward(values)


def test_a_linear_layer_that_computes_something_else_is_not_followed():
    steps, rest = steps_of([nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), Doubled(8, 3))])
    assert (len(steps), len(rest)) == (1, 2)


@pytest.mark.parametrize("decoder", ["deep", "resize"])
def test_a_decoder_that_resizes_has_no_stages(decoder):
    assert model(top_t(decoder, 4, 2), (1, 16, 16)).frontend.change_steps() is None


@pytest.mark.parametrize(
    "given",
    [{"n_nonzero_coefs": 3}, {"factors": "pca", "n_atoms": 4}, {"stride": 2}],
    ids=["atoms", "factors", "stride"],
)
def test_patches_of_many_atoms_of_other_factors_or_off_the_grid_are_asked_whole(given):
    settings = {"n_atoms": 12, "patch_size": 3, **given}
    defended = model(lambda shape: DDL(shape, **settings), (1, 14, 14))
    assert WhiteBox()(defended).nearby(torch.rand(2, 1, 14, 14, dtype=torch.float64)) is None


def test_following_leaves_no_trace_on_random_states():
    defended, images = model(ddl(), (1, 14, 14)), torch.rand(2, 1, 14, 14, dtype=torch.float64)
    before = torch.get_rng_state()
    assert WhiteBox()(defended).nearby(images) is not None
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("frontend", [ddl(), top_t("small", 4, 2)], ids=["DDL", "TopT"])
def test_images_in_another_precision_than_the_front_ends_are_asked_about_whole(frontend):
    defended = model(frontend, (1, 14, 14)).float()
    assert WhiteBox()(defended).nearby(torch.rand(2, 1, 14, 14)) is not None
    assert WhiteBox()(defended).nearby(torch.rand(2, 1, 14, 14, dtype=torch.float64)) is None


def test_many_samples_are_followed_as_few_are():
    defended, generator = model(ddl(), (1, 12, 12)), torch.Generator().manual_seed(0)
    images = torch.rand(35, 1, 12, 12, generator=generator, dtype=torch.float64)
    logits = WhiteBox()(defended)
    walked(logits.nearby(images), logits, images, generator, queries=35)


def test_answers_computed_anew_now_and_then_are_the_same(monkeypatch):
    monkeypatch.setattr("sparsefront.common.changes.changed_answers.ChangedAnswers.ANEW", 1)
    defended = model(top_t("small", 4, 2), (1, 14, 14))
    images = torch.rand(3, 1, 14, 14, dtype=torch.float64)
    logits = WhiteBox()(defended)
    walked(logits.nearby(images), logits, images, torch.Generator().manual_seed(0), queries=20)


class Shifted(ConvNet):
    """Normalises its input, which what it has from its base says nothing of."""

    def forward(self, images):
        return super().forward((images - 0.5) / 0.05)


def test_a_subclass_that_computes_something_else_is_asked_whole():
    defended = model(top_t("small", 4, 2), (1, 14, 14))
    images = torch.rand(3, 1, 14, 14, dtype=torch.float64)
    assert WhiteBox()(defended).nearby(images) is not None
    defended.classifier.__class__ = Shifted
    assert WhiteBox()(defended).nearby(images) is None


@pytest.mark.parametrize("container", [nn.Sequential, nn.ModuleList])
def test_a_classifiers_own_attribute_called_layers_is_left_alone(container):
    class Linear(nn.Module):
        def __init__(self, in_chans, num_classes):
            super().__init__()
            self.layers = (
                container([nn.Flatten(), nn.Linear(144, 3)])
                if container is nn.ModuleList
                else container(nn.Flatten(), nn.Linear(144, 3))
            )

        def forward(self, images):
            for layer in self.layers:
                images = layer(images)
            return images

    defended = DefendedClassifier(Linear, Identity, image_shape=(1, 12, 12), num_classes=3).eval()
    assert WhiteBox()(defended).nearby(torch.rand(2, 1, 12, 12)) is None


def test_a_front_end_that_draws_is_asked_whole():
    class Drawing(Identity):
        randomised = True

    assert WhiteBox()(model(Drawing, (1, 12, 12))).nearby(torch.rand(1, 1, 12, 12)) is None


def test_every_question_is_counted_once_even_where_it_changes_nothing():
    defended, counted = model(top_t("small", 4, 2), (1, 14, 14)), []

    def meter(logits):
        def counting(images):
            counted.append(len(images))
            return logits(images)

        return counting

    images = torch.rand(3, 1, 14, 14, dtype=torch.float64)
    answers = WhiteBox()(defended, meter).nearby(images)
    counted.clear()
    for points in (images.clone(), images + 1e-12, 1 - images):  # the last ones are asked about whole
        answers.ask(torch.arange(3), points)
        answers.settle(torch.zeros(3, dtype=torch.bool))
    assert sum(counted) == 9


@pytest.mark.parametrize("changed", [lambda images: images.half(), lambda images: images[..., :8, :8]])
def test_images_that_the_kernel_does_not_take_are_asked_about_whole(changed):
    images = changed(torch.rand(2, 1, 14, 14, dtype=torch.float64))
    assert WhiteBox()(model(top_t("small", 4, 2), (1, 14, 14))).nearby(images) is None


CHAINS = {
    "wide padding": [nn.Conv2d(2, 3, 5, padding=2), nn.LeakyReLU(0.1), nn.MaxPool2d(3, 2)],
    "strides": [nn.Conv2d(2, 3, (3, 2), stride=(2, 3), padding=(2, 1)), nn.GELU(), nn.AdaptiveMaxPool2d((7, 2))],
    "transposed": [nn.ConvTranspose2d(2, 3, 4, stride=(3, 2), padding=(2, 1)), nn.SiLU(), nn.MaxPool2d((2, 3))],
    "pools with gaps": [nn.MaxPool2d(2, 3), nn.Tanh(), nn.Conv2d(2, 2, 3, padding=1), nn.Sigmoid()],
    "pools of parts": [nn.AdaptiveMaxPool2d(5), nn.Hardtanh(0.2, 0.7), nn.Conv2d(2, 2, 1), nn.ReLU6()],
}


@pytest.mark.parametrize("layers", CHAINS.values(), ids=CHAINS)
def test_layers_of_any_shape_are_followed(layers):
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(4, 2, 12, 11, dtype=torch.float64, generator=generator)
    steps, rest = steps_of([nn.Sequential(*layers).double().eval()])
    assert not rest
    network = nn.Sequential(*layers, nn.Flatten()).double().eval()
    with torch.no_grad():
        answers = ChangedAnswers(network, Program(steps, images[:1]), nn.Flatten(), images)
        walked(answers, network, images, generator, queries=40)


def test_what_was_accepted_is_what_an_unchanged_image_is_answered_with():
    defended = model(top_t("small", 4, 2), (1, 14, 14))
    images = torch.rand(2, 1, 14, 14, dtype=torch.float64)
    logits, points = WhiteBox()(defended), images.clone()
    points[:, :, 3:6, 3:6] = 1 - points[:, :, 3:6, 3:6]
    answers, both = logits.nearby(images), torch.arange(2)
    first = answers.ask(both, points)
    assert not torch.allclose(first, logits(images))
    answers.settle(torch.tensor([True, False]))
    torch.testing.assert_close(
        answers.ask(both, torch.stack([points[0], images[1]])), torch.stack([first[0], logits(images)[1]])
    )
