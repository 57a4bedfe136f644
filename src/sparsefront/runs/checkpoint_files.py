"""How a Trainer's checkpoints are written and read."""

import io
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO
from pytorch_lightning.utilities import rank_zero_info

from sparsefront.common.atomic_file import atomic_file
from sparsefront.common.checkpoints.checkpoint_file import read_whole_checkpoint
from sparsefront.common.checkpoints.tensor_digest import DIGEST, digest_of


class CheckpointFiles(TorchCheckpointIO):
    """Written beside the target and renamed, with a digest of the tensors; read as data, from this machine alone.

    Lightning's own writes into the system's folder of temporary files and copies from there, so that a kill or a full
    disk in between tears the file, and unpickles what an address gives.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write a file that is there whole or not at all.

        Raises:
            NotWrittenError: the disk is full, or `path` cannot be written to; `path` is as it was.
        """
        write_checkpoint(checkpoint, Path(path))

    def load_checkpoint(self, path: str | Path, *_: Any, **__: Any) -> dict[str, Any]:
        """All that is in a file, on the CPU; nothing that is in it is run.

        Raises:
            FileNotFoundError: no such file.
            ValueError: no whole checkpoint.
        """
        content = read_whole_checkpoint(path, "ckpt_path")
        if DIGEST not in content:
            rank_zero_info(
                f"{path} keeps no digest of its tensors, as older versions wrote it; its checksums are right."
            )
        return content


def write_checkpoint(checkpoint: dict[str, Any], path: Path) -> None:
    """Write a checkpoint with the digest of its tensors, whole or not at all.

    Raises:
        NotWrittenError: the disk is full, or `path` cannot be written to; `path` is as it was.
    """
    memory = io.BytesIO()  # torch, given a file, says of a full disk that it "failed writing"
    torch.save({**checkpoint, DIGEST: digest_of(checkpoint["state_dict"])}, memory)
    with atomic_file(path) as temporary:
        temporary.write_bytes(memory.getbuffer())
