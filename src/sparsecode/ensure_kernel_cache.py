"""A folder for compiled kernels."""


def ensure_kernel_cache() -> None:
    """Give Numba a temporary folder where it finds none for its kernels: they could not be compiled otherwise.

    Kernels outside of this package call it before they are decorated; those in here have it called.
    """
    import sparsecode._native  # noqa: F401 its import does it; Numba, which an import of this package must not load
