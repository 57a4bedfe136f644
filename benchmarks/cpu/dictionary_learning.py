"""Online dictionary learning against SPAMS and scikit-learn, to the same held-out objective."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import spams
import torch
from sklearn.decomposition import MiniBatchDictionaryLearning
from torch import Tensor
from torch.nn.functional import normalize

from benchmarks.contest import Check, Contest, Goal
from benchmarks.cpu.inputs import Inputs
from sparsecode import OnlineDictionary, lasso, sample_patches

N_ATOMS, BATCH, LMBDA = 500, 256, 1.0
SPAMS_STEPS = (30, 100, 300)
SCIKIT_LEARN_STEPS = 30


def contests(inputs: Inputs) -> Iterator[Contest]:
    """Paper 001's dictionary: 500 atoms of 4x4x3 patches at stride 2, lambda 1, batches of 256, data start."""
    patches = sample_patches(inputs.images(), 4, 2, N_ATOMS + 300 * BATCH + 4000, torch.Generator().manual_seed(0))
    held_out, stream = patches[:4000], patches[4000:]
    for steps in SPAMS_STEPS:
        yield _against_spams(stream, held_out, steps)
    yield _against_scikit_learn(stream, held_out)


def learn(stream: Tensor, steps: int) -> Tensor:
    """Our dictionary after so many batches; the stream starts anew when it ends."""
    learner = OnlineDictionary(stream[:N_ATOMS].T, partial(lasso, lmbda=LMBDA))
    batches = stream[N_ATOMS:].split(BATCH)
    for step in range(steps):
        learner.step(batches[step % len(batches)])
    return learner.dictionary


def held_out_objective(dictionary: Tensor, signals: Tensor) -> float:
    """Mean of 1/2 ||y - D s||^2 + lambda ||s||_1 over signals that nobody learned from, with atoms of norm 1.

    The rivals leave some atoms shorter, which can only cost them.
    """
    dictionary = normalize(dictionary, dim=0)
    dictionary = dictionary[:, dictionary.norm(dim=0) > 0]  # SPAMS may leave an atom that it did not need at 0
    codes = lasso(signals, dictionary, LMBDA, tolerance=1e-5).codes
    return ((signals - codes @ dictionary.T).square().sum(dim=1) / 2 + LMBDA * codes.abs().sum(dim=1)).mean().item()


def _flops(stream: Tensor, steps: int) -> float:
    """Correlations of the batches, and D^T D and D A once a step."""
    return 2.0 * steps * stream.shape[1] * N_ATOMS * (BATCH + 2 * N_ATOMS)


def _start(stream: Tensor) -> np.ndarray:
    return normalize(stream[:N_ATOMS], dim=1).numpy()


def _least_steps(stream: Tensor, held_out: Tensor, theirs: Tensor, steps: int) -> int:
    """The fewest of our steps, in tenths of the rival's, that reach its held-out objective."""
    goal = held_out_objective(theirs, held_out)
    tries = [max(steps * tenths // 10, 1) for tenths in range(5, 21)]
    return next((ours for ours in tries if held_out_objective(learn(stream, ours), held_out) <= goal), tries[-1])


def _checks(held_out: Tensor, stream: Tensor, rival: str) -> Any:
    def checks(results: dict[str, Any]) -> dict[str, Check]:
        theirs = held_out_objective(results[rival], held_out)
        start = held_out_objective(torch.from_numpy(_start(stream).T.copy()), held_out)
        return {
            "held-out objective at the start": Check(start),
            f"held-out objective, {rival}": Check(theirs),
            "held-out objective, ours": Check(held_out_objective(results["OnlineDictionary"], held_out), most=theirs),
        }

    return checks


def _against_spams(stream: Tensor, held_out: Tensor, steps: int) -> Contest:
    columns = np.asfortranarray(stream[N_ATOMS:].numpy().T)
    start = np.asfortranarray(_start(stream).T)

    def by_spams() -> Tensor:
        found = spams.trainDL(
            columns, D=start, lambda1=LMBDA, mode=2, iter=steps, batchsize=BATCH,
            numThreads=torch.get_num_threads(), verbose=False,
        )  # fmt: skip
        return torch.from_numpy(np.array(found))

    ours = _least_steps(stream, held_out, by_spams(), steps)
    return Contest(
        path="dictionary_learning",
        setting=f"{N_ATOMS} atoms of 4x4x3, batches of {BATCH}, SPAMS' {steps} steps, ours {ours}",
        signals=ours * BATCH,
        runs={"SPAMS trainDL": by_spams, "OnlineDictionary": partial(learn, stream, ours)},
        goals=[Goal("OnlineDictionary", "SPAMS trainDL", 1.4)],
        checks=_checks(held_out, stream, "SPAMS trainDL"),
        flops=_flops(stream, ours),
    )


def _against_scikit_learn(stream: Tensor, held_out: Tensor) -> Contest:
    def by_scikit_learn() -> Tensor:
        learner = MiniBatchDictionaryLearning(
            N_ATOMS, alpha=LMBDA, batch_size=BATCH, dict_init=_start(stream), fit_algorithm="cd", random_state=0
        )
        for batch in stream[N_ATOMS:].split(BATCH)[:SCIKIT_LEARN_STEPS]:
            learner.partial_fit(batch.numpy())
        return torch.from_numpy(learner.components_.T.copy())

    ours = _least_steps(stream, held_out, by_scikit_learn(), SCIKIT_LEARN_STEPS)
    return Contest(
        path="dictionary_learning",
        setting=f"{N_ATOMS} atoms of 4x4x3, batches of {BATCH}, scikit-learn's {SCIKIT_LEARN_STEPS} steps, ours {ours}",
        signals=ours * BATCH,
        runs={"scikit-learn": by_scikit_learn, "OnlineDictionary": partial(learn, stream, ours)},
        goals=[Goal("OnlineDictionary", "scikit-learn", 75.0)],
        checks=_checks(held_out, stream, "scikit-learn"),
        flops=_flops(stream, ours),
        rounds=1,  # most of a minute each
    )
