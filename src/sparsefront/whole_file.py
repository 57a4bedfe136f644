"""The old name of `sparsefront.common.whole_file`."""

from sparsefront.common.whole_file import whole_file, write_whole

__all__ = ["whole_file", "write_whole"]
