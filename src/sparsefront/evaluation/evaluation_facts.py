"""What the record of an evaluation says beside its attacks."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from sparsefront.attacks import NamedAttack
from sparsefront.common.checkpoints.run_folder import find_checkpoint
from sparsefront.evaluation.fingerprint import paths
from sparsefront.evaluation.trainer_facts import name_of_data, stage_of
from sparsefront.evaluation.weights_used import described, weights_used
from sparsefront.model.defended import DefendedClassifier
from sparsefront.results.attack_record import AttackRecord
from sparsefront.results.provenance import provenance


def evaluation_facts(
    trainer: pl.Trainer, model: DefendedClassifier, attacks: Iterable[NamedAttack], folder: Path
) -> dict[str, Any]:
    """Packages, machine, command, stage, epoch, weights, checkpoints that attacks read, system and data, for JSON.

    Args:
        trainer: evaluates the model.
        model: the one attacked.
        attacks: that were run.
        folder: of the run's version.
    """
    return provenance() | {
        "stage": stage_of(trainer),
        "epoch": trainer.current_epoch,
        "weights": weights_used(trainer, model, folder),
        "checkpoints": _checkpoints(attacks, Path(trainer.default_root_dir)),
        "system": model.system,
        "undefended": model.frontend.hands_images_on,
        "randomised": model.frontend.randomised,
        "data": name_of_data(trainer),
    }


def _checkpoints(attacks: Iterable[NamedAttack], run_dir: Path) -> dict[str, dict[str, Any]]:
    """The checkpoints that attacks read, by the paths that their settings give."""
    named = sorted(set(paths([AttackRecord.of(attack, "").written() for attack in attacks], ("checkpoint",))))
    return {path: described(find_checkpoint(path, "checkpoint"), run_dir) for path in named}
