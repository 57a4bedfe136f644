"""The ensembles hand survivors from part to part."""

from dataclasses import dataclass, replace

import pytest
import torch

from sparsefront.attacks import APGD, APGDT, FAB, Attack, AutoAttack, NamedAttack, Square, Transfer


def published(norm, version):
    """Name and settings of each part, as the authors' own code sets them."""
    package = pytest.importorskip("pyautoattack")
    theirs = package.AutoAttack(lambda images: images.flatten(1), norm=norm, eps=0.1, version=version)
    apgd, aimed, fab, square = theirs.apgd, theirs.apgd_targeted, theirs.fab, theirs.square
    ascent = {"steps": apgd.n_iter, "n_restarts": apgd.n_restarts, "eot_iter": apgd.eot_iter, "eps": apgd.eps}
    near = {"steps": fab.n_iter, "alpha_max": fab.alpha_max, "eta": fab.eta, "beta": fab.beta, "eps": fab.eps}
    found = {
        "apgd-ce": (APGD, {**ascent, "loss": "ce"}),
        "apgd-dlr": (APGD, {**ascent, "loss": "dlr"}),
        "apgd-t": (
            APGDT,
            {"steps": aimed.n_iter, "n_restarts": aimed.n_restarts, "n_target_classes": aimed.n_target_classes},
        ),
        "fab": (FAB, {**near, "n_restarts": fab.n_restarts, "n_target_classes": None}),
        # Its restarts are set to 1 just before it runs.
        "fab-t": (FAB, {**near, "n_restarts": 1, "n_target_classes": fab.n_target_classes}),
        "square": (
            Square,
            {"n_queries": square.n_queries, "p_init": square.p_init, "n_restarts": square.n_restarts, "loss": "cw"},
        ),
    }
    return [found[name] for name in theirs.attacks_to_run]


@pytest.mark.parametrize("norm", ["Linf", "L2", "L1"])
@pytest.mark.parametrize("version", ["standard", "plus", "rand"])
def test_the_parts_are_those_of_the_published_ensembles(version, norm):
    parts, theirs = AutoAttack(eps=0.1, norm=norm, version=version).parts, published(norm, version)
    assert [type(part) for part in parts] == [kind for kind, _ in theirs]
    assert all(part.norm == norm for part in parts)
    for part, (kind, expected) in zip(parts, theirs, strict=True):
        if kind is APGDT and norm == "L1":
            assert part.n_target_classes >= expected.pop("n_target_classes")
        assert {name: getattr(part, name) for name in expected} == expected


class Short(AutoAttack):
    """The same parts with fewer steps."""

    @property
    def parts(self):
        fewer = {"steps": 8, "n_queries": 30}
        return tuple(
            replace(part, **{name: value for name, value in fewer.items() if hasattr(part, name)})
            for part in super().parts
        )


@pytest.mark.parametrize("norm", ["Linf", "L2", "L1"])
def test_no_sample_survives_that_a_part_alone_would_bring_down(conv_net, norm):
    generator = torch.Generator().manual_seed(2)
    images = torch.rand(40, 2, 6, 6, dtype=torch.float64, generator=generator)
    labels = conv_net(images).argmax(dim=1)
    eps = {"Linf": 0.02, "L2": 0.12, "L1": 0.6}[norm]
    attack = Short(eps=eps, norm=norm)
    fell = conv_net(attack(conv_net, images, labels)).argmax(dim=1) != labels
    alone = [conv_net(part(conv_net, images, labels)).argmax(dim=1) != labels for part in attack.parts]
    assert torch.equal(fell, torch.stack(alone).any(dim=0))
    assert 0 < fell.sum() < 40


@dataclass(frozen=True)
class Blanks(Attack):
    """Paints the samples of some numbers black and keeps the numbers that it met."""

    numbers: tuple
    met: list

    def perturb(self, model, images, labels, indices):
        self.met.extend(indices.tolist())
        chosen = torch.isin(indices, torch.tensor(self.numbers))
        return images.masked_fill(chosen[:, None, None, None], 0)


def test_each_part_is_handed_the_samples_still_standing(monkeypatch):
    met = [], [], []
    parts = Blanks((3, 5), met[0]), Blanks((4,), met[1]), Blanks((), met[2])
    monkeypatch.setattr(AutoAttack, "parts", parts)

    def model(images):
        bright = images.flatten(1).amax(dim=1)
        return torch.stack([bright, 0.5 - bright], dim=1)

    images = torch.ones(4, 1, 2, 2)
    found = AutoAttack()(model, images, torch.zeros(4, dtype=torch.long), torch.tensor([3, 4, 5, 6]))
    assert met == ([3, 4, 5, 6], [4, 6], [6])
    assert found.flatten(1).amax(dim=1).tolist() == [0, 0, 0, 1]


class Randomised:
    """The conv net on images with noise."""

    def __init__(self, net, deviation):
        self.net, self.deviation = net, deviation

    def __call__(self, images):
        return self.net(images + self.deviation * torch.randn(images.shape, dtype=images.dtype))


def test_rand_walks_on_past_the_boundary_of_one_draw(conv_net):
    """What stops at the first draw that errs is right again at the next."""
    images = torch.rand(12, 2, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    labels, model = conv_net(images).argmax(dim=1), Randomised(conv_net, 0.1)
    right = []
    for early_stop in (True, False):
        torch.manual_seed(0)
        attack = AutoAttack(eps=0.1, version="rand")
        parts = [replace(part, steps=8, **({"early_stop": True} if early_stop else {})) for part in attack.parts]
        found = type("Shorter", (AutoAttack,), {"parts": parts})(eps=0.1, version="rand")(model, images, labels)
        passes = [(model(found).argmax(dim=1) == labels).double().mean() for _ in range(40)]
        right.append(torch.stack(passes).mean())
    assert right[1] < right[0] - 0.05


@dataclass(frozen=True)
class Averaging(Blanks):
    """The same with gradients averaged over passes."""

    eot_iter: int = 4


def test_one_draw_that_errs_does_not_end_the_ensemble(monkeypatch):
    met, passes = [], []
    monkeypatch.setattr(AutoAttack, "parts", (Averaging((), []), Averaging((), met)))

    def model(images):  # errs in one pass of three
        passes.append(len(images))
        return torch.tensor([[-1.0, 0.0] if len(passes) % 3 == 1 else [1.0, 0.0]]).expand(len(images), 2)

    AutoAttack(version="rand")(model, torch.ones(2, 1, 2, 2), torch.zeros(2, dtype=torch.long))
    assert met == [0, 1]


def test_it_is_refused_on_a_view_that_is_not_the_deployed_model():
    with pytest.raises(ValueError, match=r"view Transfer, found AutoAttack.* name APGD, APGDT, FAB and Square one"):
        NamedAttack("aa", AutoAttack(), Transfer("x.ckpt"))


def test_an_unknown_version_is_named():
    with pytest.raises(ValueError, match="`version` must be one of standard, plus, rand, found 'strong'"):
        AutoAttack(version="strong")


@pytest.mark.parametrize("norm", ["Linf", "L2", "L1"])
@pytest.mark.parametrize("version", ["standard", "plus", "rand"])
@pytest.mark.parametrize("n_classes", [2, 3, 4, 5])
def test_with_few_classes_the_parts_whose_loss_needs_more_fall_away(n_classes, version, norm):
    """What the authors' checks call impossible is left out; all else runs, and is as strong as it can be."""
    met = []

    class Counted(AutoAttack):
        @property
        def parts(self):
            return tuple(_Counted(part, met) for part in short(super().parts))

    weight = torch.randn(n_classes, 9, generator=torch.Generator().manual_seed(1))
    images = torch.rand(5, 1, 3, 3, generator=torch.Generator().manual_seed(2))

    def model(x):
        return (x - 0.5).flatten(1) @ weight.T

    labels = model(images).argmax(dim=1)
    found = Counted(eps=1e-6, norm=norm, version=version)(model, images, labels)
    assert found.isfinite().all()
    expected = [kind for kind, least in PUBLISHED[version] if least <= n_classes]
    assert list(dict.fromkeys(met)) == list(dict.fromkeys(expected))


PUBLISHED = {
    "standard": [("APGD", 2), ("APGDT", 4), ("FAB", 2), ("Square", 2)],
    "plus": [("APGD", 2), ("APGD", 3), ("FAB", 2), ("Square", 2), ("APGDT", 4), ("FAB", 2)],
    "rand": [("APGD", 2), ("APGD", 3)],
}


def short(parts):
    fewer = {"steps": 4, "n_queries": 4, "n_restarts": 1, "eot_iter": 2}
    return [replace(part, **{name: value for name, value in fewer.items() if hasattr(part, name)}) for part in parts]


@dataclass(frozen=True)
class _Counted(Attack):
    """A part that says its name when it runs."""

    part: Attack
    met: list

    @property
    def least_classes(self):
        return self.part.least_classes

    def perturb(self, model, images, labels, indices):
        self.met.append(type(self.part).__name__)
        return self.part(model, images, labels, indices)


def test_two_classes_are_brought_down_as_far_as_the_ball_allows():
    """A linear model of two classes: each image falls at a distance that has a closed form."""
    weight = torch.randn(2, 16, generator=torch.Generator().manual_seed(3))
    images = 0.3 + 0.4 * torch.rand(40, 1, 4, 4, generator=torch.Generator().manual_seed(4))

    def model(x):
        return (x - 0.5).flatten(1) @ weight.T

    labels = model(images).argmax(dim=1)
    direction = weight[1] - weight[0]
    distance = ((images - 0.5).flatten(1) @ direction).abs() / direction.abs().sum()
    found = AutoAttack(eps=0.03)(model, images, labels)
    clear = (distance - 0.03).abs() > 1e-3
    assert torch.equal((model(found).argmax(dim=1) != labels)[clear], (distance < 0.03)[clear])
