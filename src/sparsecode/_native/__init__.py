"""Compiled CPU kernels, one file a solver: Numba, cached beside this file, each working on a run of signals."""

from sparsecode._native.cache_folder import ensure_cache_folder
from sparsecode._native.compile_notice import tell_of_compilation

ensure_cache_folder()
tell_of_compilation()
