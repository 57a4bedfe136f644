"""Writes what an evaluation leaves behind."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from sparsefront.attacks import NamedAttack
from sparsefront.common.file_digest import file_digest
from sparsefront.common.frozen_model import frozen_model
from sparsefront.evaluation.comparisons import compare_rows
from sparsefront.evaluation.diagnostics import probe
from sparsefront.evaluation.evaluation_facts import evaluation_facts
from sparsefront.evaluation.evaluation_loggers import log_flags, show_pictures
from sparsefront.evaluation.gathered_evaluation import GatheredEvaluation
from sparsefront.evaluation.idle_transfers import idle_transfers
from sparsefront.evaluation.majority_baseline import majority_baseline
from sparsefront.evaluation.ongoing_evaluation import OngoingEvaluation
from sparsefront.results.evaluation_record import EvaluationRecord
from sparsefront.results.finding import Finding
from sparsefront.results.same_evaluation import SAMPLES


class ResultsWriter:
    """The first process's work at the end of an evaluation: samples, record, signs of masked gradients, pictures.

    Args:
        trainer: evaluates the model.
        ongoing: the evaluation, with the model.
        attacks: as they were asked for.
        results: the folder to write to.
        stage: `val` or `test`.
    """

    def __init__(
        self, trainer: pl.Trainer, ongoing: OngoingEvaluation, attacks: Sequence[NamedAttack], results: Path, stage: str
    ) -> None:
        self.trainer, self.ongoing, self.attacks = trainer, ongoing, attacks
        self.results, self.stage = results, stage

    def write(self, gathered: GatheredEvaluation, n_probed: int, settings: Mapping[str, Any]) -> None:
        """Write all files; the record once before the probes, which may take long, or be killed.

        Args:
            gathered: what all processes found, at least one sample.
            n_probed: samples on which signs are looked for, beside those that show in the rows.
            settings: of the evaluation, for the record.
        """
        run, samples = self.ongoing.run, self.results / f"{self.stage}_samples.csv"
        gathered.samples.write(samples)
        records = gathered.records(run.attacks, run.model.frontend.default_backward)
        facts = evaluation_facts(self.trainer, run.model, self.attacks, self.results.parent)
        facts |= {**settings, "n_samples": len(gathered.samples), "time_budget_reached": gathered.late}
        facts |= {SAMPLES: file_digest(samples), **gathered.form}
        findings = [majority_baseline(gathered.samples), *gathered.findings]
        findings += [*compare_rows(run.attacks, gathered.samples), *idle_transfers(run.attacks, gathered.samples)]

        def write_record(whole: bool) -> None:
            signs = {"whole": whole, "diagnostics": [vars(finding) for finding in findings]}
            EvaluationRecord(records, facts | signs).write(self.results, self.stage)

        write_record(whole=False)
        if n_probed:
            findings += self._probed(gathered, n_probed)
        show_pictures(self.trainer, self.stage, self.results, self.ongoing.pictures.arrays(run.model))
        log_flags(self.trainer, findings)
        write_record(whole=True)
        self.ongoing.remove_kept_rows()

    def _probed(self, gathered: GatheredEvaluation, count: int) -> list[Finding]:
        """Signs of masked gradients on a few samples that the model gets right."""
        run = self.ongoing.run
        completed = [named for named in self.attacks if named.name not in gathered.errors]
        if not completed or not gathered.correct:
            text = "not probed for masked gradients: no attack ran to its end on a sample that the model gets right."
            return [Finding("not_probed", "deployed model", True, text)]
        with frozen_model(run.model):  # where tensors are made that may be differentiated
            batch = gathered.first_correct(count, run.model.device)
            known = gathered.signs(batch) if run.prepared.precision == "32" else None
            return probe(run.model, completed, batch, lambda named: run.prepared.ready(named)[0].view, known)
