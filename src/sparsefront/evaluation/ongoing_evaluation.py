"""An evaluation under way, on one process."""

from pathlib import Path

import torch
from torch import Tensor

from sparsefront.attacks.saved_images import SavedImages, save_images
from sparsefront.common.frozen_model import frozen_model
from sparsefront.common.stopping import undisturbed
from sparsefront.data.batch import Batch
from sparsefront.evaluation.attack_run import AttackRun
from sparsefront.evaluation.partial import Partial, split
from sparsefront.evaluation.pictures import Pictures
from sparsefront.evaluation.resumed_rows import ResumedRows
from sparsefront.results.samples import Samples


class OngoingEvaluation:
    """Attacks batches, or takes them over from interrupted evaluations, and keeps what happened to each sample.

    Args:
        run: the attacks, with the model.
        folder: for adversarial images, one subfolder an attack; None keeps none.
        rank: of this process.
        n_images: pictures that are kept.
        n_correct: samples that the model gets right that are kept, for the diagnostics.

    Attributes:
        parts: rows, a batch each.
        correct: batches of samples that the model gets right, until there are `n_correct` of them or more.
        pictures: of the first samples.
    """

    def __init__(self, run: AttackRun, folder: Path | None, rank: int, n_images: int, n_correct: int) -> None:
        self.run, self._folder, self._rank, self._n_correct = run, folder, rank, n_correct
        self.parts: list[Samples] = []
        self.correct: list[Batch] = []
        self.pictures = Pictures(n_images)
        self._resumed: ResumedRows | None = None
        self._partial: Partial | None = None

    def keep_rows(self, partial: Partial, resumed: ResumedRows | None) -> None:
        """Write the rows of each batch to a file as well, and take over those of interrupted evaluations."""
        self._partial, self._resumed = partial, resumed

    def remove_kept_rows(self) -> None:
        """Remove the file of rows: the results are whole."""
        if self._partial is not None:
            self._partial.remove()

    def follow(self, batch: Batch) -> None:
        """Attack what of a batch no interrupted evaluation has attacked."""
        if self._resumed is not None:
            new, known = split(batch, self._resumed)
            self._take_over(known, _chosen(batch, ~new), self._resumed)
            batch = _chosen(batch, new)
        if len(batch.label):
            with frozen_model(self.run.model):
                self._attack(batch)

    def _attack(self, batch: Batch) -> None:
        model = self.run.model
        self.pictures.begin(model, batch)

        def on_attacked(name: str, batch: Batch, adversarial: Tensor, prediction: Tensor) -> None:
            self.pictures.add(name, model, adversarial, prediction)
            self._save(name, batch, adversarial)

        samples = self.run.attack(batch, on_attacked)
        self.pictures.end(torch.from_numpy(samples.columns["clean_pred"]))
        self._keep(samples, batch)

    def _take_over(self, samples: Samples, batch: Batch, resumed: ResumedRows) -> None:
        """Keep interrupted evaluations' rows of a batch, and their adversarial images."""
        if not len(samples):
            return
        self.run.progress.skip(len(samples))
        for named in self.run.attacks if self._folder is not None else []:
            self._save(named.name, batch, _saved(f"{self._place}/{named.name}", batch, resumed))
        self._keep(samples, batch, written=self._partial is not None and not self._partial.repeated)

    def _keep(self, samples: Samples, batch: Batch, written: bool = False) -> None:
        self.parts.append(samples)
        if self._partial is not None and not written:
            with undisturbed():
                self._partial.add(samples, batch.image, self.run.costs)
        if sum(len(kept.label) for kept in self.correct) < self._n_correct:
            self.correct.append(_chosen(batch, torch.from_numpy(samples.correct())))

    @property
    def _place(self) -> str:
        """Name of the folder of adversarial images, which lies in the folder of results."""
        return "" if self._folder is None else self._folder.name

    def _save(self, name: str, batch: Batch, adversarial: Tensor) -> None:
        if self._folder is not None:
            attack = next(named.attack for named in self.run.attacks if named.name == name)
            file = f"{self._rank}_{len(self.parts)}"
            save_images(self._folder / name, file, attack, batch.image, adversarial, batch.index)


def _chosen(batch: Batch, chosen: Tensor) -> Batch:
    """The samples of a batch that a bool (B,) chooses."""
    return Batch(*(tensor[chosen.to(tensor.device)] for tensor in batch))


def _saved(place: str, batch: Batch, resumed: ResumedRows) -> Tensor:
    """Adversarial images (B, C, H, W) of a folder of results, each from the evaluation that its row is from."""
    homes = [resumed.results[index] for index in batch.index.tolist()]
    images = torch.empty_like(batch.image)
    for home in set(homes):
        from_home = torch.tensor([other == home for other in homes], device=batch.image.device)
        images[from_home] = SavedImages(str(home / place)).perturb(_nothing, *_chosen(batch, from_home))
    return images


def _nothing(images: Tensor) -> Tensor:
    """Stands for a model where images are looked up and none is asked."""
    return images
