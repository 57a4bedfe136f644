"""What every attack of the project keeps to; a new one is a row of ATTACKS."""

import copy
import dataclasses
import tempfile
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sparsefront.attacks import (
    APGD,
    APGDT,
    BIM,
    FAB,
    FGSM,
    FMN,
    JSMA,
    MIFGSM,
    NES,
    PGD,
    RFGSM,
    ZOO,
    Attack,
    AutoAttack,
    Boundary,
    CarliniWagner,
    DeepFool,
    GaussianBlurControl,
    Growing,
    HopSkipJump,
    MixedSearch,
    NoiseControl,
    RayS,
    Rescaled,
    SavedImages,
    Square,
    UniversalPerturbation,
    perturbation_norm,
)
from sparsefront.attacks.parts.losses import margin
from sparsefront.attacks.parts.norms import Norm, radii
from sparsefront.attacks.parts.queries import checked_logits
from sparsefront.attacks.saved_images import save_images
from tests.helpers.precision import DTYPE, placed

pytestmark = pytest.mark.cuda


class ShortAutoAttack(AutoAttack):
    """AutoAttack with fewer steps and queries."""

    @property
    def parts(self):
        fewer = {"steps": 3, "n_queries": 5, "n_restarts": 1, "n_target_classes": 2, "eot_iter": 2}
        return tuple(
            dataclasses.replace(part, **{name: value for name, value in fewer.items() if hasattr(part, name)})
            for part in super().parts
        )


@dataclasses.dataclass(frozen=True)
class Fitted(UniversalPerturbation):
    """A universal perturbation that fits itself, to a grey image: the contract's models and shapes differ."""

    def perturb(self, model, images, labels, indices):
        grey = torch.full_like(images[:1], 0.5)
        with torch.no_grad():
            checked_logits(model(images), labels)
            logits = model(grey)
        own = logits.argmax(dim=1)
        if margin(logits, own) == 0:  # nothing to lead away from
            return images
        universal = UniversalPerturbation(eps=self.eps, norm=self.norm, epochs=1, n_target_classes=1)
        return universal.fitted(model, grey, own).perturb(model, images, labels, indices)


@dataclasses.dataclass(frozen=True)
class Saved(SavedImages):
    """Saved images that were made, a moment ago, by turning the pictures to their negatives."""

    folder: str = ""

    knowledge, budget, minimises = "transfer", None, None

    def __post_init__(self):
        """There is no folder yet."""

    def perturb(self, model, images, labels, indices):
        with tempfile.TemporaryDirectory() as folder:
            save_images(Path(folder), "0", FGSM(eps=1.0), images, 1 - images, indices)
            return SavedImages(folder).perturb(model, images, labels, indices)


ATTACKS = [
    FGSM(eps=0.1),
    FGSM(eps=0.1, norm="L1", loss="dlr"),
    PGD(eps=0.1, steps=3),
    PGD(eps=0.3, norm="L2", steps=3, loss="cw", n_restarts=2, early_stop=True),
    PGD(eps=0.5, norm="L1", steps=3, targeted=True),
    PGD(eps=0.1, norm="L2", steps=3, relative=True, eot_iter=2),
    RFGSM(eps=0.1),
    RFGSM(eps=0.1, norm="L1", relative=True),
    BIM(eps=0.1, steps=3),
    MIFGSM(eps=0.1, steps=3, early_stop=True),
    MIFGSM(eps=0.3, norm="L2", steps=3),
    APGD(eps=0.1, steps=9),
    APGD(eps=0.3, norm="L2", steps=9, loss="dlr", n_restarts=2, early_stop=True),
    APGD(eps=0.5, norm="L1", steps=9, targeted=True, relative=True),
    APGDT(eps=0.1, steps=5, n_target_classes=2),
    APGDT(eps=0.5, norm="L1", steps=9, loss="ce", early_stop=True),
    Square(eps=0.1, n_queries=8, n_restarts=2),
    Square(eps=0.5, norm="L2", n_queries=8, loss="ce", early_stop=False, relative=True),
    Square(eps=1.0, norm="L1", n_queries=8, targeted=True),
    MixedSearch(eps=0.1, n_queries=8),
    MixedSearch(eps=0.5, norm="L2", n_queries=8, loss="ce", early_stop=False, relative=True, patience=3),
    MixedSearch(eps=1.0, norm="L1", n_queries=8, targeted=True, n_walks=1),
    NES(eps=0.1, steps=3, n_directions=12),
    NES(eps=0.3, norm="L2", steps=3, n_directions=3, directions="sign", loss="dlr", early_stop=False),
    ZOO(steps=4, n_coordinates=3, search_steps=3),
    Boundary(start="noise", steps=12),
    HopSkipJump(start="noise", steps=3, n_directions=13),
    HopSkipJump(start="noise", norm="Linf", steps=3, n_directions=5, targeted=True, relative=True),
    NoiseControl(PGD(steps=2)),
    NoiseControl(PGD(norm="L1", steps=2), distribution="sign", norm="L1"),
    Rescaled(PGD(steps=2)),
    RayS(start="noise", n_queries=30, n_walks=3),
    RayS(start="noise", n_queries=20, n_walks=2, targeted=True, relative=True, eps=0.9),
    Rescaled(HopSkipJump(start="noise", steps=2, n_directions=5), norm="Linf", relative=True),
    GaussianBlurControl(),
    Growing(PGD(steps=3), sizes=[0.05, 0.1]),
    DeepFool(steps=4),
    DeepFool(norm="Linf", steps=4, n_candidate_classes=3),
    CarliniWagner(steps=6, binary_search_steps=2, initial_const=1.0, step_size=0.05),
    CarliniWagner(steps=4, binary_search_steps=2, targeted=True, confidence=0.1, relative=True),
    FMN(steps=5),
    FMN(norm="L1", steps=5, targeted=True),
    FMN(norm="Linf", steps=5, relative=True),
    FAB(steps=4, n_restarts=2),
    FAB(norm="L2", steps=4, n_target_classes=2, eps=0.3, early_stop=True),
    FAB(norm="L1", steps=4),
    JSMA(gamma=0.3),
    JSMA(theta=-0.5, gamma=0.5, pair_search="top2", targeted=True),
    ShortAutoAttack(eps=0.1),
    ShortAutoAttack(eps=0.5, norm="L1"),
    ShortAutoAttack(eps=0.3, norm="L2", version="rand"),
    Fitted(eps=0.1),
    Fitted(eps=0.3, norm="L2"),
    Saved(),
]
EVERY = pytest.mark.parametrize("attack", ATTACKS, ids=lambda a: f"{type(a).__name__}-{getattr(a, 'norm', 'L2')}")


def size_of(eps):
    return float(Fraction(eps))


def with_ball(attack, eps, norm):
    """The attack in a ball of this size and, if it can, of this norm; and the norm it has."""
    if isinstance(attack, JSMA | GaussianBlurControl | SavedImages):
        return attack, None
    if "Linf" in (norm, getattr(attack, "norm", None)) and not getattr(attack, "relative", False):
        eps = eps if size_of(eps) <= 1 else 1.0  # no perturbation is larger
    if isinstance(attack, NoiseControl):
        return dataclasses.replace(attack, attack=PGD(eps=eps, norm=norm, steps=2), norm=norm), norm
    if isinstance(attack, Growing):
        smaller = [] if size_of(eps) == 0 else [0]
        return dataclasses.replace(attack, attack=PGD(norm=norm, steps=2), sizes=[*smaller, eps]), norm
    if isinstance(attack, Rescaled):
        return dataclasses.replace(attack, size=eps, norm=norm), norm
    if isinstance(attack, RayS):
        return dataclasses.replace(attack, eps=eps if attack.relative or size_of(eps) <= 1 else 1.0), "Linf"
    if not hasattr(attack, "norm"):
        return dataclasses.replace(attack, eps=eps), "L2"
    try:
        return dataclasses.replace(attack, eps=eps, norm=norm), norm
    except ValueError:
        return dataclasses.replace(attack, eps=eps), attack.norm


@EVERY
@given(
    seed=st.integers(0, 2**32),
    count=st.integers(1, 4),
    eps=st.sampled_from([0, 1e-4, "8/255", 0.5, 3.0]),
    fill=st.sampled_from([None, 0.0, 0.5, 1.0]),
    norm=st.sampled_from(Norm.__args__),
    scale=st.sampled_from([1e-20, 1.0, 1e4]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
@settings(deadline=None, max_examples=30)
def test_images_stay_in_the_box_and_in_the_ball(attack, seed, count, eps, fill, norm, scale, dtype):
    generator = torch.Generator().manual_seed(seed)
    images = placed(torch.rand(count, 1, 3, 3, generator=generator).to(dtype))
    if fill is not None:
        images.fill_(fill)
    labels = placed(torch.randint(5, (count,), generator=generator))
    inner, outer = (torch.randn(sizes, generator=generator).to(images) for sizes in ((9, 8), (8, 5)))
    attack, norm = with_ball(attack, eps, norm)

    def model(x):
        return scale * (x.flatten(1) @ inner).relu() @ outer

    labels[::2] = model(images[::2]).argmax(dim=1)  # the others may be wrong from the start
    found = attack(model, images, labels)
    assert found.shape == images.shape
    assert found.dtype == images.dtype
    assert found.isfinite().all()
    assert ((found >= 0) & (found <= 1)).all()
    if norm is not None:
        allowed = radii(size_of(eps), images, norm, getattr(attack, "relative", False)).double()
        assert (perturbation_norm((found - images).double(), norm) <= allowed * (1 + 1e-5) + 1e-6).all()


@EVERY
def test_images_keep_to_the_budget_that_the_attack_says(attack, conv_net, batch):
    images, labels = batch
    found = attack(conv_net, images, (labels + 1) % 5 if attack.targeted else labels)
    if isinstance(attack, JSMA | GaussianBlurControl | SavedImages):  # gamma, or nothing, bounds them
        assert (attack.budget, attack.minimises) == (None, None)
        return
    assert (attack.budget is None) != (attack.minimises is None)
    norm, size, relative = attack.budget or (attack.minimises, torch.inf, False)
    if isinstance(attack, NoiseControl):  # its budget is what it is compared with
        assert attack.budget == attack.attack.budget
        return
    allowed = size * (perturbation_norm(images, norm) if relative else 1)
    assert (perturbation_norm(found - images, norm) <= allowed * (1 + 1e-9) + 1e-12).all()


class Stateful(nn.Module):
    """Batch norm, dropout and parameters: all that an attack could leave a trace on."""

    def __init__(self):
        super().__init__()
        self.norm, self.drop, self.out = nn.BatchNorm2d(1), nn.Dropout(0.5), nn.Linear(16, 5)

    def forward(self, images):
        return self.out(self.drop(self.norm(images)).flatten(1))


@EVERY
def test_leaves_no_trace(attack):
    model = placed(Stateful()).eval()
    model.drop.train()
    model.out.bias.requires_grad_(False)
    before = copy.deepcopy(model.state_dict())
    modes = [module.training for module in model.modules()]
    model.drop.training = False  # a deterministic model: whatever moves the generator is the attack
    modes[[*model.modules()].index(model.drop)] = False
    flags = [parameter.requires_grad for parameter in model.parameters()]
    images, labels = placed(torch.rand(3, 1, 4, 4)), placed(torch.arange(3))
    given_images, generator = images.clone(), torch.random.get_rng_state()
    found = attack(model, images, labels)
    assert not found.requires_grad
    assert found.data_ptr() != images.data_ptr()
    assert torch.equal(images, given_images)
    assert not images.requires_grad
    assert [module.training for module in model.modules()] == modes
    assert [parameter.requires_grad for parameter in model.parameters()] == flags
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), generator)
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()


@EVERY
@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_works_where_gradients_are_off(attack, context):
    model, images, labels = placed(Stateful()).eval(), placed(torch.rand(3, 1, 4, 4)), placed(torch.arange(3))
    expected = attack(model, images, labels, torch.arange(3))
    with context():
        made_inside = [tensor + 0 for tensor in (images, labels, torch.arange(3))]
        assert torch.equal(attack(model, *made_inside), expected)
        assert not torch.is_grad_enabled()


@EVERY
def test_the_same_call_gives_the_same_images(attack):
    model, images, labels = placed(Stateful()).eval(), placed(torch.rand(3, 1, 4, 4)), placed(torch.arange(3))
    assert torch.equal(attack(model, images, labels), attack(model, images, labels))
    assert torch.equal(attack(model, images, labels), attack(model, images, labels, torch.arange(3)))


@EVERY
def test_a_samples_result_does_not_depend_on_its_batch_mates(attack, conv_net, batch):
    indices = torch.tensor([40, 3, 9, 2**35, 0, 7, 8])
    whole = attack(conv_net, *batch, indices)
    for rows in ([0, 1], [2], [6, 4, 5, 3]):
        part = attack(conv_net, batch[0][rows], batch[1][rows], indices[rows])
        torch.testing.assert_close(part, whole[rows], atol=1e-9, rtol=0)


@EVERY
def test_starts_are_begun_from_inside_the_ball_or_change_nothing(attack, conv_net, batch):
    images, labels = batch
    indices = torch.tensor([40, 3, 9, 2**35, 0, 7, 8])
    starts = 1 - images  # outside of most balls
    given_starts = starts.clone()
    begun = attack(conv_net, images, labels, indices, starts)
    assert torch.equal(starts, given_starts)
    assert begun.shape == images.shape
    assert ((begun >= 0) & (begun <= 1)).all()
    alone = attack(conv_net, images[2:4], labels[2:4], indices[2:4], starts[2:4])
    torch.testing.assert_close(alone, begun[2:4], atol=1e-9, rtol=0)
    if not attack.begins_from_starts:
        assert torch.equal(begun, attack(conv_net, images, labels, indices))
        return
    assert not torch.equal(begun, attack(conv_net, images, labels, indices))
    if attack.budget is None:  # of the smallest perturbation, whatever its size
        return
    norm, size, relative = attack.budget
    allowed = size * (perturbation_norm(images, norm) if relative else 1)
    assert (perturbation_norm(begun - images, norm) <= allowed * (1 + 1e-9) + 1e-12).all()


@EVERY
def test_an_empty_batch_stays_empty(attack):
    found = attack(Stateful().eval(), torch.rand(0, 1, 4, 4), torch.zeros(0, dtype=torch.int64))
    assert found.shape == (0, 1, 4, 4)


@EVERY
def test_settings_are_frozen_and_comparable(attack):
    assert attack == copy.deepcopy(attack)
    with pytest.raises(dataclasses.FrozenInstanceError):
        attack.eps = 1.0


@dataclasses.dataclass(frozen=True)
class Attached(Attack):
    """Somebody's attack that forgets to cut its graph."""

    def perturb(self, model, images, labels, indices):
        return images * model.out.weight[0, 0]


def test_what_a_new_attack_returns_is_detached():
    assert not Attached()(Stateful(), torch.rand(2, 1, 4, 4), torch.tensor([0, 1])).requires_grad


GOOD = torch.full((2, 1, 4, 4), 0.5)
LABELS = torch.tensor([0, 1])


@pytest.mark.parametrize(
    ("images", "labels", "indices", "message"),
    [
        (GOOD[0], LABELS, None, "`images` must be floating .B, C, H, W."),
        ((255 * GOOD).byte(), LABELS, None, "`images` must be floating .B, C, H, W., found torch.uint8"),
        (GOOD * 255, LABELS, None, r"finite pixels in \[0, 1\], found \[127.5, 127.5\]; scale them"),
        (GOOD - 1, LABELS, None, r"finite pixels in \[0, 1\], found \[-0.5, -0.5\]"),
        (GOOD * torch.nan, LABELS, None, r"finite pixels in \[0, 1\], found \[nan, nan\]"),
        (GOOD, LABELS[:1], None, r"`labels` must be int64 \(2,\), found torch.int64 \(1,\)"),
        (GOOD, LABELS.float(), None, r"`labels` must be int64 \(2,\), found torch.float32 \(2,\)"),
        (GOOD, LABELS + 4, None, r"`labels` must lie in \[0, 5\), the model's classes, found \[4, 5\]"),
        (GOOD, LABELS - 1, None, r"`labels` must lie in \[0, 5\)"),
        (GOOD, LABELS, torch.arange(3), r"`indices` must be int64 \(2,\), found torch.int64 \(3,\)"),
    ],
)
@EVERY
def test_bad_batches_are_named(attack, images, labels, indices, message):
    if isinstance(attack, GaussianBlurControl | SavedImages) and "lie in" in message:
        pytest.skip("asks no model how many classes there are")
    with pytest.raises(ValueError, match=message):
        attack(Stateful().eval(), images, labels, indices)


@pytest.mark.parametrize(
    ("starts", "message"),
    [
        (GOOD[:1], rf"`starts` must be {DTYPE} \(2, 1, 4, 4\), as the images are, found .* \(1, 1, 4, 4\)"),
        (
            GOOD.half(),
            rf"`starts` must be {DTYPE} .*, found torch.float16 .*; give a sample without any",
        ),
        (GOOD * 3, r"`starts` must be finite pixels in \[0, 1\], found \[1.5, 1.5\]"),
        (GOOD * torch.nan, r"`starts` must be finite pixels in \[0, 1\], found \[nan, nan\]"),
    ],
)
@EVERY
def test_bad_starts_are_named(attack, starts, message):
    with pytest.raises(ValueError, match=message):
        attack(Stateful().eval(), GOOD, LABELS, starts=starts)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda x: x.flatten(1)[:, :5] / 0, "`model` must return finite logits"),
        (lambda x: (x.flatten(1)[:, :5] - 0.5).abs().sqrt(), "gradient of `model` must be finite"),
        (lambda x: x.flatten(1)[:, 0], r"`model` must return logits \(2, K\), found \(2,\)"),
        (lambda x: x[:1].flatten(1), r"`model` must return logits \(2, K\), found \(1, 16\)"),
        (lambda x: x.detach().flatten(1), "`model` must be differentiable"),
        (lambda x: torch.zeros(2, 5, requires_grad=True), "`model` must be differentiable"),
    ],
)
def test_models_that_cannot_be_attacked_are_named(model, message):
    for attack in (FGSM(), PGD(random_start=False, steps=1, step_size=1e-3)):
        with pytest.raises(ValueError, match=message):
            attack(model, GOOD, LABELS)
