"""Compiled CPU kernels, one file a solver: Numba, cached beside this file, each working on a run of signals."""
