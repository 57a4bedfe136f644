"""A SLURM job that is started again after its time limit."""

import os
import subprocess
import sys


def requeue() -> None:
    """Ask for this job, or this task of an array of jobs, to be started again; say if that fails."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    job = os.environ.get("SLURM_JOB_ID", "") if array is None else f"{array}_{task}"
    try:
        failed = subprocess.run(["scontrol", "requeue", job], check=False).returncode
        why = f"it ended with {failed}" if failed else ""
    except OSError as error:
        why = str(error.strerror)
    said = f"`scontrol requeue {job}` failed, {why}; submit the job again" if why else f"job {job} is requeued"
    print(f"sparsefront: {said}.", file=sys.stderr, flush=True)


def restarted() -> bool:
    """Whether this job was started before, and requeued."""
    return os.environ.get("SLURM_RESTART_COUNT", "0") not in ("", "0")
