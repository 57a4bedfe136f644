import pytest
import torch

from sparsefront.attacks.parts.candidates import Candidates, best_of_attempts


@pytest.mark.parametrize(("early_stop", "expected"), [(False, [2, 3, 1]), (True, [1, 3, 1])])
def test_of_several_attempts_that_fool_the_one_of_highest_loss_is_kept(early_stop, expected):
    """Attempts 1, 2, 3 paint samples in their number; a surrogate's highest loss is what may transfer."""
    losses = torch.tensor([[1.0, 3.0, 2.0], [9.0, 5.0, 4.0], [7.0, 6.0, 5.0]])
    fell = torch.tensor([[True, True, True], [False, False, True], [False, False, False]])

    def attempt(trial, rows):
        painted = torch.full((len(rows), 1, 1, 1), trial + 1.0)
        return Candidates(painted, losses[rows, trial], fell[rows, trial])

    found = best_of_attempts(attempt, torch.zeros(3, 1, 1, 1), 3, early_stop)
    assert found.flatten().tolist() == expected
