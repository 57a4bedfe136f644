"""Compiled CPU kernels, one file a solver: Numba, cached beside this file, each working on a run of signals."""

from sparsecode._native.cache_folder import ensure_cache_folder

ensure_cache_folder()
