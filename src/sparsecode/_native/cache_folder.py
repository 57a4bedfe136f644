"""Where compiled kernels are kept."""

import atexit
import os
import shutil
import tempfile

import numba


def ensure_cache_folder() -> None:
    """Give Numba a temporary folder where it finds none: a read-only installation of someone without a home.

    It would refuse to compile. The folder is new, and so nobody else's, and goes away with this process; processes that
    are started from here use it too.
    """
    try:
        numba.njit(cache=True)(_nothing)
    except RuntimeError:
        folder = tempfile.mkdtemp(prefix="sparsecode_kernels_")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ["NUMBA_CACHE_DIR"] = numba.config.CACHE_DIR = folder  # type: ignore[attr-defined]


def _nothing() -> None:
    """Stands for a kernel: what Numba keeps of it would lie where theirs do."""
