"""Adversaries search in the deployed model's own function, whatever its code is like."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sparsefront.attacks import PGD, GrayBox, NamedAttack, Square, margin, value_and_gradient
from sparsefront.common.frozen_model import frozen_model
from sparsefront.data.batch import Batch
from sparsefront.evaluation.attack_run import AttackRun
from sparsefront.evaluation.search_form import search_form
from tests.helpers.linear_rig import loader
from tests.helpers.linear_rig import run as run_linear
from tests.helpers.precision import in_single_precision
from tests.helpers.unusual_models import (
    FAITHFUL,
    SHAPE,
    Checkpointed,
    InPlace,
    KeepsActivations,
    Net,
    Noisy,
    Spectral,
    TiedBlocks,
    TiedWeights,
    TwoNorms,
    defended,
)

IMAGES = torch.rand(6, *SHAPE, generator=torch.Generator().manual_seed(7))
LABELS = torch.arange(6)
MIXED = [Noisy]  # draw numbers: values are compared from the same seed


def asked(model, images, seed=11):
    torch.manual_seed(seed)
    return value_and_gradient(
        model, images, lambda logits: margin(logits, LABELS[: len(images)]), LABELS[: len(images)]
    )


@pytest.mark.parametrize("precision", ["32", "bf16"])
@pytest.mark.parametrize("kind", FAITHFUL, ids=lambda kind: kind.__name__)
@pytest.mark.filterwarnings("ignore:`search.precision` bf16")
def test_the_form_is_the_model_in_value_and_gradient(kind, precision):
    model = defended(kind)
    form = search_form(model, precision, IMAGES)
    tolerance = 2e-3 if precision == "32" else 0.3
    for images in (IMAGES, IMAGES[:1], 1 - IMAGES):
        for found, expected in zip(asked(form, images), asked(model, images), strict=True):
            assert (found - expected).norm() <= tolerance * expected.norm()
        with torch.no_grad():
            torch.manual_seed(3)
            found = form(images)
            torch.manual_seed(3)
            expected = model(images)
            assert (found - expected).norm() <= tolerance * expected.norm()


@pytest.mark.parametrize("kind", [Net, TwoNorms, TiedBlocks, TiedWeights], ids=lambda kind: kind.__name__)
def test_a_convolution_is_folded_where_it_is_called_and_nowhere_else(kind):
    model = defended(kind)
    form = search_form(model, images=IMAGES)
    assert form.classifier.form == "folded"
    assert form.classifier.reason is None
    assert not any(isinstance(module, nn.BatchNorm2d) for module in form.modules())


def test_what_differs_is_used_as_it_is_and_the_reason_is_kept():
    for kind, words in ((Noisy, "logits differ"), (KeepsActivations, "deepcopy"), (Spectral, "deepcopy")):
        classifier = search_form(defended(kind), images=IMAGES).classifier
        assert classifier.form != "folded"
        assert words in classifier.reason


@in_single_precision("autocast leaves double as it is")
@pytest.mark.filterwarnings("ignore:`search.precision` bf16 is too far")
def test_a_precision_too_coarse_for_the_model_gives_way():
    class Fine(Net):
        """Sees differences that bfloat16 does not hold."""

        def forward(self, x):
            return self.head(self.bn(self.a(x + 100) - self.a(torch.full_like(x, 100))))

    model = defended(Fine)
    form = search_form(model, "bf16", IMAGES)
    assert not form.classifier.bf16
    assert "bf16" in form.classifier.reason
    torch.testing.assert_close(form(IMAGES), model(IMAGES), rtol=1e-3, atol=1e-3)


def attacked(kind, attacks, images=IMAGES):
    model = defended(kind)
    with torch.no_grad():
        labels = model(images).argmax(dim=1)
    with frozen_model(model):
        attacking = AttackRun(model, attacks, training_images=lambda number: (images, labels))
        return attacking, attacking.attack(Batch(images, labels, torch.arange(len(images))))


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", FAITHFUL, ids=lambda kind: kind.__name__)
def test_no_attack_is_lost_and_images_stay_where_they_were(kind):
    images = IMAGES.clone()
    named = [
        NamedAttack("pgd", PGD(eps=0.1, steps=3)),
        NamedAttack("gray", PGD(eps=0.1, steps=3), GrayBox()),
        NamedAttack("square", Square(eps=0.1, n_queries=20)),
    ]
    attacking, samples = attacked(kind, named, images)
    assert attacking.errors == {}
    assert torch.equal(images, IMAGES)
    assert all(np.nanmax(samples.columns[f"{one.name}/linf"]) <= 0.1 + 1e-6 for one in named)


def test_pgd_is_as_strong_in_the_form_as_on_the_model():
    """The fault: 18 % were left where PGD on the model leaves 3 %."""
    for kind in (Net, TwoNorms, InPlace, Checkpointed):
        model, attack = defended(kind), PGD(eps=0.2, steps=10, loss="cw", random_start=False)
        with torch.no_grad():
            labels = model(IMAGES).argmax(dim=1)
        left = [margin(model(attack(one, IMAGES, labels)), labels) for one in (model, search_form(model))]
        torch.testing.assert_close(left[1], left[0], rtol=1e-2, atol=1e-3)


class OnlyForBright(Net):
    """Tracing ends in the branch for errors, which clean images do not show."""

    def forward(self, x):
        try:
            if x.amax() > 1.0 - 1e-6:
                return -5 * super().forward(x.flip(3))
        except Exception:
            pass
        return super().forward(x)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_difference_that_only_attacked_images_show_is_found():
    images = 0.4 + 0.2 * IMAGES
    attacking, _ = attacked(OnlyForBright, [NamedAttack("pgd", PGD(eps=0.5, steps=5))], images)
    assert attacking.prepared.facts["search_form"] == "as it is"
    assert "on attacked images" in attacking.prepared.facts["search_form_reason"]


def test_the_record_says_in_which_form_was_searched(tmp_path):
    trainer = run_linear(tmp_path, "validate", [NamedAttack("pgd", PGD(eps=0.02, steps=2))])
    about = json.loads(Path(f"{trainer.log_dir}/results/val_attacks.json").read_text())
    assert about["search_form"] == "unfolded copy"
    assert about["search_form_reason"] is None
    assert len(loader()) > 0


@given(
    data=st.data(),
    depth=st.integers(1, 4),
    seed=st.integers(0, 2**16),
)
@settings(deadline=None, max_examples=30)
def test_any_wiring_of_convolutions_and_norms_is_folded_faithfully(data, depth, seed):
    """Draws which of two convolutions and three norms each layer calls, and whether what is between them is kept.

    In double precision: in single, now and then a rectifier is so near its kink that rounding alone turns its slope.
    """
    plan = [
        (data.draw(st.integers(0, 1)), data.draw(st.sampled_from([None, 0, 1, 2])), data.draw(st.booleans()))
        for _ in range(depth)
    ]

    class Wired(nn.Module):
        def __init__(self, in_chans, num_classes):
            super().__init__()
            self.start, self.fc = nn.Conv2d(in_chans, 4, 3, padding=1), nn.Linear(4, num_classes)
            self.convs = nn.ModuleList(nn.Conv2d(4, 4, 3, padding=1, bias=bool(number)) for number in range(2))
            self.norms = nn.ModuleList(nn.BatchNorm2d(4, affine=number < 2) for number in range(3))

        def forward(self, x):
            x = self.start(x)
            for conv, norm, skip in plan:
                maps = self.convs[conv](x)
                normed = maps if norm is None else self.norms[norm](maps)
                x = (normed + maps if skip else normed).relu()
            return self.fc(x.mean((2, 3)))

    torch.manual_seed(seed)
    model = defended(Wired).double()
    images = torch.rand(3, *SHAPE, dtype=torch.float64)
    found, expected = (asked(one, images) for one in (search_form(model, images=images), model))
    for one, other in zip(found, expected, strict=True):
        assert (one - other).norm() <= 1e-9 * other.norm() + 1e-12


def test_ties_in_a_maximum_speak_against_no_form():
    """On flat images a layout may send the gradient to another of equal pixels; both are right."""

    class Pooled(Net):
        def forward(self, x):
            return self.head(self.bn(self.conv(nn.functional.max_pool2d(self.a(x), 2))))

    flat = torch.zeros(4, *SHAPE)
    flat[:, :, 4:9, 4:9] = 1.0
    for dtype in (torch.float32, torch.float64):
        model = defended(Pooled).to(dtype)
        classifier = search_form(model, images=flat.to(dtype)).classifier
        assert (classifier.form, classifier.reason) == ("folded", None)
