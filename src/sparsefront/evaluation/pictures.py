"""A few pictures of an evaluation."""

import numpy as np
import torch
from torch import Tensor

from sparsefront.data.batch import Batch
from sparsefront.evaluation.as_array import as_array
from sparsefront.model.defended import DefendedClassifier


class Pictures:
    """The first images of an evaluation: clean, adversarial, and what the classifier sees, or codes rebuild, of each.

    Args:
        limit: how many images are kept.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._kept: dict[str, Tensor] = {}
        self._filling = True

    def begin(self, model: DefendedClassifier, batch: Batch) -> None:
        """Keep the first batch's first images; later batches are passed over."""
        self._filling = not self._kept and self.limit > 0
        if self._filling:
            self._kept = {"label": batch.label[: self.limit]}
            self._keep("clean", model, batch.image)

    def end(self, predictions: Tensor) -> None:
        """Keep the predictions (B,) of the clean images."""
        if self._filling:
            self._kept["clean_pred"] = predictions[: self.limit]

    def add(self, attack: str, model: DefendedClassifier, adversarial: Tensor, prediction: Tensor) -> None:
        """Keep what the attack made of the same images."""
        if self._filling:
            self._keep(f"adv/{attack}", model, adversarial)
            self._kept[f"pred/{attack}"] = prediction[: self.limit]

    @torch.no_grad()
    def _keep(self, name: str, model: DefendedClassifier, images: Tensor) -> None:
        self._kept[name] = images[: self.limit]
        rebuilt = model.frontend.reconstruct(images[: self.limit].clone())
        if rebuilt is not None:
            self._kept[f"through/{name.removeprefix('adv/')}"] = rebuilt

    def arrays(self, model: DefendedClassifier) -> dict[str, np.ndarray]:
        """Everything kept as arrays, with the front end's `atoms` (L, C, n, n) where it has them."""
        arrays = {name: as_array(tensor) for name, tensor in self._kept.items()}
        atoms = model.frontend.atoms()
        if atoms is not None:
            arrays["atoms"] = as_array(atoms)
        return arrays
