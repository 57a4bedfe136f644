"""Compiled CPU kernels, one file a solver: Numba, cached beside this file, each working on a run of signals.

A cache notices a change of its kernel's own file alone: after one in a file that others call (`conjugate_gradients`,
`copy_row`, `gram_schmidt`, `largest_magnitude`, `lgcd`), delete what lies in `__pycache__`.
"""

from sparsecode._native.cache_folder import ensure_cache_folder
from sparsecode._native.compile_notice import tell_of_compilation

ensure_cache_folder()
tell_of_compilation()
