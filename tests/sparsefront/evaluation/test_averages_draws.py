"""No front end that draws random numbers is shown without a caution where no attack averaged over its draws."""

import inspect
import json
import re
from functools import partial
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from sparsefront import DefendedClassifier, RobustEvaluation, frontends
from sparsefront.attacks import APGD, FGSM, PGD, AutoAttack, GrayBox, Growing, NamedAttack, Rescaled, Square, WhiteBox
from sparsefront.data.batch import Batch
from sparsefront.frontends import (
    D3,
    ComDefend,
    Compose,
    CropEnsemble,
    FrontEnd,
    Identity,
    ImageQuilting,
    Parallel,
    PixelDeflection,
    RandomResizePad,
    TotalVariation,
)
from sparsefront.frontends.settings import D3Learning
from sparsefront.report.sentences import cautions
from sparsefront.results.attack_record import AttackRecord
from sparsefront.results.run import Run
from tests.helpers.front_end_contract import fitted

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
SHAPE = (3, 16, 16)
DRAWING = {
    "ComDefend": partial(ComDefend, widths=(4, 8), n_iterations=2, deployed_noise=1.0),
    "Compose": partial(Compose, parts=[Identity, partial(CropEnsemble, n_crops=2)]),
    "CropEnsemble": partial(CropEnsemble, n_crops=3),
    "D3": partial(D3, n_atoms=60, n_nonzero_coefs=3, atoms_share=0.5, learning=D3Learning(2, 40)),
    "ImageQuilting": partial(ImageQuilting, n_patches=200, n_iterations=2),
    "Parallel": partial(Parallel, parts=[Identity, partial(CropEnsemble, n_crops=2)]),
    "PixelDeflection": partial(PixelDeflection, n_deflections=20, window=3, n_copies=2),
    "RandomResizePad": RandomResizePad,
    "TotalVariation": partial(TotalVariation, n_iterations=2),
}


def test_every_front_end_that_can_draw_is_among_them():
    def can_draw(kind):
        kinds = [one for one in kind.mro() if issubclass(one, FrontEnd) and one is not FrontEnd]
        return any(re.search(r"\brandomised = (?!False)", inspect.getsource(one)) for one in kinds)

    assert {name for name in frontends.__all__ if can_draw(getattr(frontends, name))} == set(DRAWING)


class Sure(nn.Module):
    """Sees the first class in every image, the brighter the surer."""

    def forward(self, images):
        brightness = images.flatten(1).mean(dim=1)
        return torch.stack([1 + brightness, -brightness], dim=1)


def evaluated(folder, build, attacks):
    """What an evaluation of a front end on two images leaves."""
    images = torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(0))
    learned = fitted(build(SHAPE), images)
    model = DefendedClassifier(lambda *_: Sure(), lambda *_: learned, image_shape=SHAPE, num_classes=2)
    data = [Batch(image, torch.tensor(0), torch.tensor(index)) for index, image in enumerate(images)]
    trainer = pl.Trainer(
        accelerator="cpu", callbacks=[RobustEvaluation(attacks, draws=3)], logger=pl.loggers.CSVLogger(folder),
        enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False, inference_mode=False,
    )  # fmt: skip
    trainer.validate(model, torch.utils.data.DataLoader(data, batch_size=2), verbose=False)
    return Run.load(trainer.log_dir)


def of_draws(run):
    return [sentence for sentence in cautions([run]) if "averaged over its draws" in sentence]


@pytest.mark.parametrize("name", DRAWING)
def test_a_front_end_that_draws_and_met_no_attack_that_averages_is_shown_with_a_caution(name, tmp_path):
    # A step too small to fool anybody: the caution is for those who stand.
    plain = [NamedAttack("fgsm", FGSM(eps=1e-6)), NamedAttack("gray", PGD(eps=1e-6, steps=1, eot_iter=2), GrayBox())]
    (sentence,) = of_draws(evaluated(tmp_path / "plain", DRAWING[name], plain))
    assert "no attack averaged over its draws (`eot_iter`)" in sentence


def test_one_that_averages_is_enough_if_it_met_samples_and_none_is_needed_where_nothing_stands(tmp_path):
    averaging = NamedAttack("eot", Growing(PGD(steps=1, eot_iter=2), sizes=[1e-6]))
    run = evaluated(tmp_path, DRAWING["CropEnsemble"], [NamedAttack("fgsm", FGSM(eps=1e-6)), averaging])
    assert of_draws(run) == []
    samples = Path(run.folder, "results/val_samples.csv")
    header, *rows = [line.split(",") for line in samples.read_text().splitlines()]
    for row in rows:
        for key in ("linf", "l2", "l1"):
            row[header.index(f"eot/{key}")] = ""
    samples.write_text("\n".join(map(",".join, [header, *rows])) + "\n")
    about = samples.with_name("val_attacks.json")
    about.write_text(json.dumps(json.loads(about.read_text()) | {"samples_sha256": None}))
    assert len(of_draws(Run.load(run.folder))) == 1
    for row in rows:
        row[header.index("fell")] = "1"
    samples.write_text("\n".join(map(",".join, [header, *rows])) + "\n")
    assert of_draws(Run.load(run.folder)) == []


@pytest.mark.parametrize(
    ("attack", "view", "averages"),
    [
        (APGD(eot_iter=2), WhiteBox(), True),
        (APGD(), WhiteBox(), False),
        (APGD(eot_iter=2), GrayBox(), False),  # which looks into nothing that draws
        (Square(eot_iter=2), WhiteBox(), True),
        (Rescaled(Growing(PGD(eot_iter=2)), size=0.1, norm="L2"), WhiteBox(), True),
        (Growing(PGD()), WhiteBox(), False),
        (AutoAttack(version="rand"), WhiteBox(), True),
        (AutoAttack(), WhiteBox(), False),
    ],
)
def test_an_attack_averages_over_draws_if_it_or_the_one_inside_does_on_the_deployed_model(attack, view, averages):
    record = AttackRecord.of(NamedAttack("a", attack, view), "exact")
    assert record.averages_draws == averages
