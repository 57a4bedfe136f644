"""Which settings may differ from a checkpoint's."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sparsefront.common.checkpoints.checkpoint import RUN, number_in
from sparsefront.runs.settings_differences import Difference, differences

BATCH = "images a step"
_OF_TRAINER = (
    *("max_epochs", "max_steps", "precision", "limit_train_batches", "gradient_clip_val", "gradient_clip_algorithm"),
    *("accumulate_grad_batches", "devices", "num_nodes", "strategy", "overfit_batches", "sync_batchnorm"),
)
_SOURCES = ("pretrained", "checkpoint_path", "checkpoint")  # first weights, which a checkpoint replaces
_OF_NO_MATTER = ("num_workers", "in_memory", "download")  # how images are read, not which
_LENGTH = ("trainer.max_epochs", "trainer.max_steps", "trainer.limit_train_batches", "trainer.accumulate_grad_batches")


def kept_settings(config: Mapping[str, Any], world_size: int) -> dict[str, Any]:
    """What a checkpoint keeps of its run beside the model's settings.

    Args:
        config: the whole configuration in plain values.
        world_size: number of processes.
    """
    data, trainer = config.get("data") or {}, config.get("trainer") or {}
    batch = (data.get("init_args") or {}).get("batch_size")
    steps = trainer.get("accumulate_grad_batches") or 1
    return {
        "seed_everything": config.get("seed_everything"),
        "data": data,
        "trainer": {name: trainer.get(name) for name in _OF_TRAINER},
        **({BATCH: batch * world_size * steps} if isinstance(batch, int) else {}),
    }


def other_part(content: Mapping[str, Any], part: str, model: Mapping[str, Any]) -> list[Difference]:
    """Settings of one part that differ from those of the checkpoint that its weights are taken from.

    Args:
        content: of the checkpoint.
        part: `frontend` or `classifier`.
        model: the model's settings given.
    """
    before = content.get("hyper_parameters")
    kept = {part: before[part]} if isinstance(before, Mapping) and part in before else {}
    given = {part: model[part]} if part in model else {}
    return other_settings({"hyper_parameters": kept}, given, {})


def other_settings(content: Mapping[str, Any], model: Mapping[str, Any], run: Mapping[str, Any]) -> list[Difference]:
    """Settings that differ from a checkpoint's, but for those that say where first weights came from.

    Args:
        content: of the checkpoint.
        model: the model's settings given.
        run: the run's, of `kept_settings`.
    """
    kept = content.get(RUN)
    before = kept.get("settings") if isinstance(kept, Mapping) else None
    differing = differences(
        {"model": content.get("hyper_parameters") or {}, **(before if isinstance(before, Mapping) else {})},
        {"model": model, **run},
    )
    return [one for one in differing if not _last(one).endswith("_checkpoint") and _last(one) not in _SOURCES]


def check_resumed(
    differing: Iterable[Difference], content: Mapping[str, Any], path: str, closed: bool
) -> list[Difference]:
    """Settings that differ from the checkpoint's and that a resumed fit honours.

    Args:
        differing: what differs.
        content: of the checkpoint.
        path: of the checkpoint, for the sentence.
        closed: whether the learning rate's schedule, if there is one, follows from the step alone.

    Raises:
        ValueError: others would be lost, or mixed with the checkpoint's; or the checkpoint holds weights alone.
    """
    if "optimizer_states" not in content or "lr_schedulers" not in content:
        raise ValueError(
            f"`ckpt_path` {path} must hold the optimizer's state for a fit to go on, found weights alone "
            "(`checkpoint.save_weights_only`); take them by `--model.frontend_checkpoint` and "
            "`--model.classifier_checkpoint`, and start anew."
        )
    some = [one for one in differing if _last(one) not in _OF_NO_MATTER]
    batches = _between_epochs(content) and not any(one.name == BATCH for one in some)
    refused = [one for one in some if not _is_taken(one, batches) or (not closed and _bends_the_schedule(one))]
    if refused:
        listed = ", ".join(map(str, refused))
        raise ValueError(
            f"`ckpt_path` {path} must be resumed with its own settings, found {listed}; give those of the "
            "config.yaml of its run, or start anew without `ckpt_path`."
        )
    done = {"trainer.max_epochs": _epochs(content), "trainer.max_steps": number_in(dict(content), "global_step") or 0}
    for one in some:
        if one.name in done and isinstance(one.now, int) and 0 <= one.now < done[one.name]:
            raise ValueError(
                f"`{one.name}` must be at least {done[one.name]}, which {path} has behind it, found {one.now}; ask for "
                "more, or resume an earlier checkpoint."
            )
    return some


def check_tested(differing: Iterable[Difference], may_differ: Sequence[str], path: str, verb: str) -> list[Difference]:
    """Settings of a test that differ from those that its weights were trained with, all of them allowed to.

    Args:
        differing: what differs.
        may_differ: names of settings that may, with those below them.
        path: of the checkpoint, for the sentence.
        verb: validate, test or predict.

    Raises:
        ValueError: other settings would make the number one of another model, or one over images trained on.
    """
    telling = [one for one in differing if _matters(one, verb)]
    allowed = [one for one in telling if any(f"{one.name}.".startswith(f"{name}.") for name in may_differ)]
    refused = [one for one in telling if one not in allowed and one.name not in ("data", "data.root")]
    if refused:
        names = ", ".join(one.name for one in refused)
        of_data = all(one.name.startswith("data") for one in refused)
        whose = "was trained on other data" if of_data else "belongs to another front end or classifier"
        listed = ", ".join(map(str, refused))
        raise ValueError(
            f"`ckpt_path` {path} {whose} ({listed}); give the settings that it was trained with: they are in "
            f"the config.yaml of its run; or allow it on purpose by `--may_differ '[{names}]'`, which is recorded."
        )
    return telling


def reached_end(content: Mapping[str, Any], max_epochs: int | None, max_steps: int) -> bool:
    """Whether a checkpoint has reached the epochs or steps asked for."""
    steps = number_in(dict(content), "global_step") or 0
    return any(
        most is not None and 0 <= most <= done for most, done in ((max_epochs, _epochs(content)), (max_steps, steps))
    )


def _is_taken(one: Difference, batches: bool) -> bool:
    """Whether a resumed fit takes it; `batches`: also those that say how many images make one."""
    if one.name.startswith("model.optimizer.") or one.name in ("model.class_weights", "data.root", "data.augment"):
        return True
    of_batches = ("data.batch_size", "trainer.devices", "trainer.num_nodes", "trainer.accumulate_grad_batches")
    if one.name in (*of_batches, "trainer.limit_train_batches"):
        return batches
    return one.name.startswith("trainer.")


def _bends_the_schedule(one: Difference) -> bool:
    return one.name in _LENGTH or one.name.startswith("model.optimizer.")


def _matters(one: Difference, verb: str) -> bool:
    """Whether it makes a trained model another one, or its images others."""
    if one.name == "data.val_size":
        return verb == "validate"  # the test part is cut first
    if one.name.startswith("data"):
        return _last(one) not in (*_OF_NO_MATTER, "batch_size", "augment")
    return one.name.startswith(("model.frontend", "model.classifier", "model.image_shape", "model.num_classes"))


def _between_epochs(content: Mapping[str, Any]) -> bool:
    try:
        progress = content["loops"]["fit_loop"]["epoch_loop.batch_progress"]
        return bool(progress["is_last_batch"]) or progress["current"]["completed"] == 0
    except (KeyError, TypeError):
        return True


def _epochs(content: Mapping[str, Any]) -> int:
    try:
        return int(content["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"])
    except (KeyError, TypeError, ValueError):
        return 0


def _last(one: Difference) -> str:
    return one.name.rpartition(".")[2]
