"""Codes of one or two atoms beside those of the solver, computed whole and followed."""

import pytest
import torch
from torch import nn

from sparsecode import omp
from sparsefront.common.changes.changed_answers import ChangedAnswers
from sparsefront.common.changes.program import Program
from sparsefront.common.changes.pursuit import Pursuit


def correlated(dtype, atoms=20, length=9):
    """Atoms of unit norm, some of which are nearly the same, and signals (300, m)."""
    generator = torch.Generator().manual_seed(0)
    dictionary = torch.randn(length, atoms, generator=generator, dtype=torch.float64)
    for atom, apart in enumerate([1e-9, 1e-5, 3e-3, 0.1], start=1):  # to `ormp` the first is the same atom, and
        dictionary[:, atom] = dictionary[:, 0] + apart * dictionary[:, atom]  # in either precision one more
    dictionary[:, 5] = -dictionary[:, 0]
    signals = torch.randn(300, length, generator=generator, dtype=torch.float64)
    signals[:100] += 4 * dictionary[:, 0]
    return nn.functional.normalize(dictionary, dim=0).to(dtype), signals.to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("atoms", [1, 2])
@pytest.mark.parametrize("rule", ["omp", "ormp"])
def test_what_codes_restore_is_what_the_solvers_codes_do(rule, atoms, dtype):
    dictionary, signals = correlated(dtype)
    step = Pursuit(dictionary, atoms, rule == "ormp")
    given = torch.cat([signals @ dictionary, torch.arange(300.0, dtype=dtype)[:, None]], dim=1)
    codes = step.whole(given.view(10, 5, 6, -1)).reshape(300, -1)
    assert torch.equal(codes[:, -1], given[:, -1])
    assert int((codes[:, :-1] != 0).sum(dim=1).max()) == atoms
    expected = omp(signals, dictionary, atoms, rule=rule).codes
    atol = 1e-3 if dtype == torch.float32 else 1e-7
    torch.testing.assert_close(codes[:, :-1] @ dictionary.T, expected @ dictionary.T, rtol=0, atol=atol)


@pytest.mark.parametrize("atoms", [1, 2])
@pytest.mark.parametrize("order_recursive", [False, True])
def test_changes_of_correlations_are_followed(atoms, order_recursive):
    dictionary, signals = correlated(torch.float64)
    step = Pursuit(dictionary, atoms, order_recursive)
    others, given = (torch.cat([part @ dictionary, part[:, :1]], dim=1) for part in signals.split(150))
    images, points = (part.view(5, 5, 6, -1).permute(0, 3, 1, 2).contiguous() for part in (given, others))
    rest = nn.Flatten()

    def whole(maps):
        return rest(step.whole(maps.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))

    answers = ChangedAnswers(whole, Program([step], images[:1]), rest, images)
    for line in range(5):
        changed = images.clone()
        changed[:, :, line] = points[:, :, line]
        torch.testing.assert_close(answers.ask(torch.arange(5), changed), whole(changed), rtol=1e-9, atol=1e-9)
        answers.settle(torch.zeros(5, dtype=torch.bool))
