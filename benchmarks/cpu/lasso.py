"""The LASSO against SPAMS and scikit-learn, cold and warm."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import spams
import torch
from sklearn.decomposition import sparse_encode
from torch import Tensor

from benchmarks.contest import Check, Contest, Goal
from benchmarks.cpu.inputs import Inputs
from sparsecode import lasso


def contests(inputs: Inputs) -> Iterator[Contest]:
    """8x8 patches of unit norm, lambda giving 10 to 15 nonzeros, to a relative duality gap of 1e-3."""
    for channels, n_atoms, lmbda in ((1, 256, 0.1), (3, 256, 0.15), (3, 1024, 0.15)):
        dictionary = inputs.dictionary(channels, n_atoms)
        yield _against_spams(inputs.patches(channels)[:10_000], dictionary, lmbda)
        yield _against_scikit_learn(inputs.patches(channels)[:500], dictionary, lmbda)


def _setting(dictionary: Tensor, lmbda: float) -> str:
    m, n_atoms = dictionary.shape
    return f"{'gray' if m == 64 else 'RGB'} 8x8, {n_atoms} atoms, lambda {lmbda}"


def _objective(codes: Tensor, of: Tensor, dictionary: Tensor, lmbda: float) -> Tensor:
    return (of - codes @ dictionary.T).square().sum(dim=1) / 2 + lmbda * codes.abs().sum(dim=1)


def _against_scikit_learn(patches: Tensor, dictionary: Tensor, lmbda: float) -> Contest:
    signals = patches / patches.norm(dim=1, keepdim=True)
    rows = np.ascontiguousarray(dictionary.numpy().T)

    def checks(results: dict[str, Any]) -> dict[str, Check]:
        theirs = torch.from_numpy(results["scikit-learn lasso_lars"].astype(np.float32))
        least = _objective(theirs, signals, dictionary, lmbda)
        found = {}
        for name in ("lasso", "lasso, torch alone"):
            excess = _objective(results[name].codes, signals, dictionary, lmbda) / least - 1
            found[f"{name}: largest excess of the objective over scikit-learn's"] = Check(
                excess.max().item(), most=1e-3
            )
        return found

    return Contest(
        path="lasso",
        setting=f"{_setting(dictionary, lmbda)}, {len(signals)} patches",
        signals=len(signals),
        runs={
            "scikit-learn lasso_lars": partial(
                sparse_encode, signals.numpy(), rows, algorithm="lasso_lars", alpha=lmbda, n_jobs=1
            ),
            "lasso": partial(lasso, signals, dictionary, lmbda),
            "lasso, torch alone": partial(lasso, signals, dictionary, lmbda, backend="torch"),
        },
        goals=[Goal("lasso", "scikit-learn lasso_lars", 100.0)],
        checks=checks,
        flops=len(signals) * 2.0 * dictionary.numel(),
        rounds=3,
    )


def _against_spams(patches: Tensor, dictionary: Tensor, lmbda: float) -> Contest:
    norms = patches.norm(dim=1, keepdim=True)
    signals = patches / norms
    # What a step of an attack does: every pixel moves by up to 2/255.
    noise = torch.rand(patches.shape, generator=torch.Generator().manual_seed(1)) * 2 - 1
    moved = (patches + 2 / 255 * noise) / norms
    state = lasso(signals, dictionary, lmbda, tolerance=1e-5).state
    columns, atoms = np.asfortranarray(signals.numpy().T), np.asfortranarray(dictionary.numpy())
    least = _objective(lasso(moved, dictionary, lmbda, tolerance=1e-5).codes, moved, dictionary, lmbda)

    def checks(results: dict[str, Any]) -> dict[str, Check]:
        theirs = torch.from_numpy(results["SPAMS lasso"].toarray().T)
        cold = _objective(results["lasso"].codes, signals, dictionary, lmbda)
        warm = _objective(results["lasso, warm"].codes, moved, dictionary, lmbda)
        excess = cold / _objective(theirs, signals, dictionary, lmbda) - 1
        return {
            "lasso: largest excess of the objective over SPAMS'": Check(excess.max().item(), most=1e-3),
            "warm: largest excess of the objective over the least": Check((warm / least - 1).max().item(), most=1e-3),
            "nonzeros": Check((theirs != 0).sum(dim=1).double().mean().item(), least=5, most=20),
        }

    return Contest(
        path="lasso",
        setting=f"{_setting(dictionary, lmbda)}, {len(signals)} patches",
        signals=len(signals),
        runs={
            "SPAMS lasso": lambda: spams.lasso(
                columns, atoms, lambda1=lmbda, mode=2, numThreads=torch.get_num_threads()
            ),
            "lasso": partial(lasso, signals, dictionary, lmbda),
            "lasso, warm": partial(lasso, moved, dictionary, lmbda, start=state),
        },
        goals=[
            Goal("lasso", "SPAMS lasso", 3.0),
            Goal("lasso, warm", "SPAMS lasso", 10.0),
        ],
        checks=checks,
        flops=len(signals) * 2.0 * dictionary.numel(),
    )
