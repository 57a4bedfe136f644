"""Whether the machine has what the trainer is asked to run on."""

import os
import re
from typing import Any

import torch


def check_machine(trainer: Any) -> str | None:
    """Look at `accelerator` and `devices` before a `Trainer` is built.

    Args:
        trainer: its settings by name.

    Returns:
        What a user should know before a long run, if anything.

    Raises:
        ValueError: an accelerator or a number of devices that this machine does not have.
    """
    asked, devices = trainer.get("accelerator", "auto"), trainer.get("devices", "auto")
    gpus = torch.cuda.device_count()
    gpu = asked in ("gpu", "cuda") or (asked == "auto" and gpus > 0)
    if asked in ("gpu", "cuda") and not gpus and not torch.backends.mps.is_available():
        raise ValueError(
            f"`trainer.accelerator` must be one that this machine has, found {asked} and no GPU; write cpu or auto."
        )
    if asked == "mps" or not (gpu or asked in ("cpu", "auto")):
        return None  # Lightning knows
    _check_number(devices, gpu)
    number = _number(devices)
    if gpu and number is not None and number > gpus:
        raise ValueError(f"`trainer.devices` must be at most {gpus}, the GPUs of this machine, found {devices}.")
    cores = os.cpu_count() or 1
    if not gpu and number is not None and number > max(2, cores):  # two can always be tried
        raise ValueError(
            f"`trainer.devices` must be at most {max(2, cores)} without a GPU, the cores of this machine, found "
            f"{devices}; each starts a process."
        )
    if not gpu and number is not None and number > 1:
        return (
            f"trainer.devices: {number} without a GPU starts {number} processes that share this machine's processor; "
            "1 is as fast for most runs."
        )
    return None


def _number(devices: Any) -> int | None:
    text = str(devices).strip()
    return int(text) if re.fullmatch(r"\d{1,9}", text) else None


def _check_number(devices: Any, gpu: bool) -> None:
    number = _number(devices)
    listed = isinstance(devices, list) or (isinstance(devices, str) and "," in devices)
    if devices is None or devices == "auto" or (number is not None and number >= 1):
        return
    if gpu and (listed or str(devices) == "-1" or number == 0):
        return
    rule = "an integer of at least 1, -1 or auto, or a list of GPUs" if gpu else "an integer of at least 1 or auto"
    raise ValueError(f"`trainer.devices` must be {rule}, found {devices!r}{'' if gpu else ' and no GPU'}.")
