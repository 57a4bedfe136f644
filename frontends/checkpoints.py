"""The old name of `sparsefront.common.checkpoint_file`."""

from sparsefront.common.checkpoint_file import part_of, read_checkpoint

__all__ = ["part_of", "read_checkpoint"]
