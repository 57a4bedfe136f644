"""OMP and ORMP against SPAMS (whose `omp` is ORMP) and scikit-learn."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import spams
import torch
from sklearn.linear_model import orthogonal_mp_gram
from torch import Tensor

from benchmarks.contest import Check, Contest, Goal
from benchmarks.cpu.inputs import Inputs
from sparsecode import omp

AGAINST_SPAMS = {2: 1.7, 10: 1.2, 38: 1.0}
TORCH_AGAINST_SCIKIT_LEARN = {2: 60.0, 10: 12.0, 38: 12.0}


def contests(inputs: Inputs) -> Iterator[Contest]:
    """8x8 patches, gray and RGB, 256 and 1,024 atoms, k = 2, 10 and 38."""
    for channels in (1, 3):
        for n_atoms in (256, 1024):
            for k in (2, 10, 38):
                number = 2000 if k == 38 else 10_000
                yield _contest(inputs.patches(channels)[:number], inputs.dictionary(channels, n_atoms), k)


def _contest(signals: Tensor, dictionary: Tensor, k: int) -> Contest:
    m, n_atoms = dictionary.shape
    columns, atoms = np.asfortranarray(signals.numpy().T), np.asfortranarray(dictionary.numpy())

    def scikit_learn() -> np.ndarray:
        codes: np.ndarray = orthogonal_mp_gram(atoms.T @ atoms, atoms.T @ columns, n_nonzero_coefs=k)
        return codes

    exact = torch.from_numpy(
        orthogonal_mp_gram((atoms.T @ atoms).astype(float), (atoms.T @ columns).astype(float), n_nonzero_coefs=k).T
    )
    return Contest(
        path="omp",
        setting=f"{'gray' if m == 64 else 'RGB'} 8x8, {n_atoms} atoms, k = {k}",
        signals=len(signals),
        runs={
            # Without eps SPAMS 2.6.14 reads an uninitialised number and at times returns nothing.
            "SPAMS omp (ORMP)": lambda: spams.omp(columns, atoms, L=k, eps=0.0, numThreads=torch.get_num_threads()),
            "scikit-learn": scikit_learn,
            "omp": partial(omp, signals, dictionary, k),
            "ormp": partial(omp, signals, dictionary, k, rule="ormp"),
            "omp, torch alone": partial(omp, signals, dictionary, k, backend="torch"),
        },
        goals=[
            Goal("omp", "SPAMS omp (ORMP)", AGAINST_SPAMS[k]),
            Goal("ormp", "SPAMS omp (ORMP)", 1.0),
            Goal("omp, torch alone", "scikit-learn", TORCH_AGAINST_SCIKIT_LEARN[k]),
        ],
        checks=lambda results: {
            "omp: supports equal to scikit-learn's in double": Check(_equal(results["omp"].codes, exact), least=0.99),
            "torch: supports equal to scikit-learn's in double": Check(
                _equal(results["omp, torch alone"].codes, exact), least=0.99
            ),
            "ormp: supports equal to SPAMS'": Check(
                _equal(results["ormp"].codes, torch.from_numpy(results["SPAMS omp (ORMP)"].toarray().T)), least=0.99
            ),
        },
        flops=len(signals) * (2 * m * n_atoms + sum(2 * t * n_atoms for t in range(1, k))),
        rounds=3 if k == 38 else 5,
    )


def _equal(codes: Tensor, expected: Tensor) -> float:
    return ((codes != 0) == (expected != 0)).all(dim=1).double().mean().item()
