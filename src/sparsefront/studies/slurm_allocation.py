"""Processes inside an allocation of SLURM that are no tasks of it."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


def no_task(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables of a process that the study begins, not `srun`.

    SLURM's variables describe the tasks of the job; Lightning would take the process for one of them, and wait for, or
    count, the others. It asks whoever works inside an allocation on their own to call the job `interactive`.
    """
    inside = "SLURM_JOB_ID" in environment or "SLURM_NTASKS" in environment
    return {**environment, "SLURM_JOB_NAME": "interactive"} if inside else dict(environment)


@contextmanager
def as_no_task() -> Iterator[None]:
    """Inside, this process itself is none."""
    before = dict(os.environ)
    os.environ.update(no_task(before))
    try:
        yield
    finally:
        os.environ.pop("SLURM_JOB_NAME", None)
        if "SLURM_JOB_NAME" in before:
            os.environ["SLURM_JOB_NAME"] = before["SLURM_JOB_NAME"]
