"""A linear model whose robustness has a closed form, and a run of the evaluation on it."""

import csv

import pytorch_lightning as pl
import torch
from torch import nn

from sparsefront import DefendedClassifier, RobustEvaluation
from sparsefront.data.batch import Batch
from sparsefront.evaluation.kept_pictures import KeptPictures
from sparsefront.evaluation.search_settings import SearchSettings
from sparsefront.frontends import Identity
from tests.helpers.grouped import grouped

SHAPE = (1, 4, 4)
EPS = 0.02


class Linear(nn.Module):
    """Two classes apart by a fixed direction: robustness in closed form."""

    def __init__(self, in_chans: int, num_classes: int):
        super().__init__()
        self.linear = nn.Linear(16 * in_chans, num_classes)
        weight = torch.randn(num_classes, 16 * in_chans, generator=torch.Generator().manual_seed(3))
        self.linear.weight.data = weight
        self.linear.bias.data = -weight.sum(dim=1) / 2  # the middle of the cube lies on the boundary

    def forward(self, images):
        return self.linear(images.flatten(1))


class WithDropout(Linear):
    def forward(self, images):
        return self.linear(nn.functional.dropout(images.flatten(1), 0.5, self.training))


class Drawing(Identity):
    """Adds noise that fools the linear model about every other time."""

    randomised = True

    def forward(self, images):
        return (images + 0.1 * torch.randn_like(images)).clamp(0, 1)

    def backward_modes(self):
        return {"exact": lambda: self.forward}


class Samples21(torch.utils.data.Dataset):
    """21 grey images away from 0 and 1; the labels are a linear rule's with three of them wrong."""

    def __init__(self):
        generator = torch.Generator().manual_seed(0)
        self.images = 0.5 + 0.3 * (torch.rand(21, *SHAPE, generator=generator) - 0.5)
        with torch.no_grad():
            self.labels = Linear(1, 2)(self.images).argmax(dim=1)
        self.labels[:3] = 1 - self.labels[:3]

    def __len__(self):
        return 21

    def __getitem__(self, i):
        return Batch(self.images[i], self.labels[i], torch.tensor(100 + i))


def loader(batch_size=4):
    return torch.utils.data.DataLoader(Samples21(), batch_size=batch_size)


def defended(classifier=Linear, frontend=Identity):
    return DefendedClassifier(classifier, frontend, image_shape=SHAPE, num_classes=2)


def run(tmp_path, verb, attacks, model=None, batch_size=4, **settings):
    evaluation = RobustEvaluation(attacks, **grouped(settings, pictures=KeptPictures, search=SearchSettings))
    trainer = pl.Trainer(
        max_epochs=1, accelerator="cpu", callbacks=[evaluation], logger=pl.loggers.CSVLogger(tmp_path),
        enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False, num_sanity_val_steps=0,
    )  # fmt: skip
    model = model or defended()
    if verb == "fit":
        model.build_optimizer = lambda parameters: torch.optim.SGD(parameters, lr=0.0)
        trainer.fit(model, loader(batch_size), loader(batch_size))
    else:
        getattr(trainer, verb)(model, loader(batch_size), verbose=False)
    return trainer


def rows(trainer, stage):
    with open(f"{trainer.log_dir}/results/{stage}_samples.csv") as file:
        return list(csv.DictReader(file))


def margins():
    """Distance of each sample to the boundary in the Linf norm, negative where the label is wrong."""
    data, model = Samples21(), Linear(1, 2)
    direction = model.linear.weight[1] - model.linear.weight[0]
    with torch.no_grad():
        gap = (data.images - 0.5).flatten(1) @ direction / direction.abs().sum()
    return gap * (2 * data.labels - 1)
