"""An evaluation that has met all samples, put together from all processes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor

from sparsefront.attacks import NamedAttack
from sparsefront.attacks.signs import Sign
from sparsefront.common.processes import Processes
from sparsefront.data.batch import Batch
from sparsefront.evaluation.attack_run import nan_error
from sparsefront.evaluation.ongoing_evaluation import OngoingEvaluation
from sparsefront.evaluation.search_classifier import slowest_form
from sparsefront.results.attack_record import AttackRecord
from sparsefront.results.cost import Cost
from sparsefront.results.finding import Finding
from sparsefront.results.samples import SIGN, Samples


@dataclass(frozen=True)
class GatheredEvaluation:
    """What all processes found, the same on each.

    Attributes:
        samples: all rows, perhaps none.
        errors: why attacks failed, on whichever process.
        costs: of each attack.
        correct: some samples that the model gets right, on the CPU; empty if there are none.
        late: whether a time budget kept samples from being attacked.
        form: in which form of the model adversaries searched, for the record.
        findings: what was noticed of the model itself, one of each kind.
    """

    samples: Samples
    errors: Mapping[str, str]
    costs: Mapping[str, Cost]
    correct: Sequence[Batch]
    late: bool
    form: Mapping[str, Any]
    findings: Sequence[Finding]

    @classmethod
    def of(cls, ongoing: OngoingEvaluation, late: bool) -> "GatheredEvaluation":
        """Gather; all processes must call it."""
        run = ongoing.run
        correct = [Batch(*(tensor.cpu() for tensor in batch)) for batch in ongoing.correct]
        of_processes = Processes().gathered(
            (ongoing.parts, run.errors, run.costs, correct, late, run.prepared.facts, run.prepared.findings)
        )
        parts, errors, costs, corrects, lates, forms, findings = zip(*of_processes, strict=True)
        chains = {named.name: named.chain for named in run.attacks}
        samples = Samples.joined([part for one in parts for part in one], chains)
        return cls(
            samples=samples,
            errors=_errors(run.attacks, errors, samples) if len(samples) else {},
            costs={name: Cost.over_processes([one[name] for one in costs]) for name in run.costs},
            correct=[batch for one in corrects for batch in one if len(batch.label)],
            late=any(lates),
            form=slowest_form(list(forms)),
            findings=list({finding.flag: finding for one in findings for finding in one}.values()),
        )

    def records(self, attacks: Sequence[NamedAttack], backward: str) -> tuple[AttackRecord, ...]:
        """Records of the attacks that were run; `backward` is the front end's mode where views name none."""
        return tuple(
            AttackRecord.of(named, backward, self.costs[named.name], self.errors.get(named.name)) for named in attacks
        )

    def first_correct(self, number: int, device: torch.device) -> Batch:
        """The first of the samples that the model gets right, of which there must be some, on a device."""
        return Batch(*(torch.cat(tensors)[:number].to(device) for tensors in zip(*self.correct, strict=True)))

    def signs(self, batch: Batch) -> dict[Sign, Tensor]:
        """What attacks have seen of the signs that they ask for on some of the samples, as `SeenSigns` knows it."""
        columns, numbers = self.samples.columns, batch.index.cpu().numpy()
        rows = self.samples.rows(np.searchsorted(columns["index"], numbers).tolist())
        signs: list[Sign] = [sign for sign in get_args(Sign) if f"{SIGN}{sign}" in columns]
        return {sign: torch.from_numpy(rows.columns[f"{SIGN}{sign}"]).to(batch.label.device) for sign in signs}


def _errors(
    attacks: Sequence[NamedAttack], of_processes: Sequence[Mapping[str, str]], samples: Samples
) -> dict[str, str]:
    """All attacks failed if the model has returned NaN."""
    if error := nan_error(samples.columns["clean_pred"]):
        return {named.name: error for named in attacks}
    return {name: text for errors in of_processes for name, text in errors.items()}
