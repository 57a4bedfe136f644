"""Images that were made for another model and do nothing to it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sparsefront.attacks import Model, NamedAttack, SavedImages
from sparsefront.common.home import at_home
from sparsefront.common.logits import predicted_classes
from sparsefront.data.batch import Batch
from sparsefront.results.evaluation_record import EvaluationRecord
from sparsefront.results.finding import FEW, Finding, tolerated
from sparsefront.results.samples import SOURCE, Samples


def has_source(named: NamedAttack) -> bool:
    """Whether an attack asks another model than the deployed one, which can be asked whether it is fooled."""
    return not named.view.is_deployed


@torch.no_grad()
def fooled_source(model: Model, named: NamedAttack, batch: Batch, goal: Tensor, adversarial: Tensor) -> Tensor:
    """(B,) float: 1 where the model that images were made for is fooled by them, 0 where not, NaN where it was wrong.

    Args:
        model: images -> logits (B, K), the one that the attack asked.
        named: the attack.
        batch: the clean images.
        goal: (B,) what the attack aimed at or away from.
        adversarial: (B, C, H, W), what it made.
    """
    right = predicted_classes(model(batch.image)) == batch.label
    predictions = predicted_classes(model(adversarial))
    reached = predictions == goal if named.attack.targeted else predictions != batch.label
    return reached.to(torch.promote_types(batch.image.dtype, torch.float32)).masked_fill(~right, torch.nan)


def idle_transfers(attacks: Sequence[NamedAttack], samples: Samples) -> Iterator[Finding]:
    """Whether what was made for other models fools these; what does not says nothing of the model that it then met.

    Other models are those of a transfer, and of a gray box the classifier without the front end.
    Of `SavedImages` the evaluation is asked that saved them, if its results still lie beside them.
    """
    for named in [one for one in attacks if one.name in samples.attacks]:
        fooled = samples.columns.get(f"{named.name}/{SOURCE}", np.array([]))
        source = "the classifier alone" if named.view.knowledge == "gray_box" else "the other model"
        if isinstance(named.attack, SavedImages) and named.knowledge == "transfer":
            source, fooled = _saved(Path(at_home(named.attack.folder)))
        total, count = int(np.isfinite(fooled).sum()), int((fooled == 1).sum())
        if total > FEW:
            raised = count <= tolerated(total)
            sentence = f"{named.name} fools {count} of {total} samples of {source}, which its images were made for"
            meaning = ": its row says nothing of this system."
            adversary = named.knowledge.replace("_", " ")
            yield Finding("transfer_idle", adversary, raised, sentence + (meaning if raised else "."))


def _saved(folder: Path) -> tuple[str, np.ndarray]:
    """The system whose evaluation saved images, and as `fooled_source` whether it was; empty if nobody knows."""
    results, stage, name = folder.parents[1], folder.parent.name.removesuffix("_adversarial"), folder.name
    try:
        system = str(EvaluationRecord.read(results, stage).provenance["system"])
        samples = Samples.read(results / f"{stage}_samples.csv")
    except (OSError, ValueError):
        return "", np.array([])
    if name not in samples.attacks:
        return "", np.array([])
    # In a chain the images saved of a sample that had fallen before are those that it fell with.
    return system, np.where(samples.correct(), ~samples.correct(name), np.nan)
