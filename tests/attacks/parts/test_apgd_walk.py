import pytest
import torch

from sparsefront.attacks.parts.apgd_walk import APGDWalk, checks


def test_progress_is_checked_after_0_22_of_the_steps_and_then_ever_more_often():
    """Croce and Hein 2020: p_1 = 0.22, p_(j+1) = p_j + max(p_j - p_(j-1) - 0.03, 0.06)."""
    assert checks(100, "Linf") == {22: 22, 41: 19, 57: 16, 70: 13, 80: 10, 87: 7, 93: 6, 99: 6}
    assert checks(100, "L1") == dict.fromkeys(range(4, 101, 4), 4)


@pytest.mark.parametrize("norm", ["Linf", "L2", "L1"])
@pytest.mark.parametrize("steps", [1, 2, 3, 7, 20, 33])
def test_windows_are_what_lies_between_two_checks(norm, steps):
    times = list(checks(steps, norm))
    assert times == sorted(times)
    assert times[-1] <= steps
    gaps = [after - before for before, after in zip([0, *times], times, strict=False)]
    assert gaps == list(checks(steps, norm).values())


def walk(norm="Linf", count=1):
    """A walk in the middle of unit intervals, one pixel each; eps 0.4, loss 0, gradient 1."""
    images = torch.full((count, 1, 1, 1), 0.5, dtype=torch.float64)
    eps, zeros = torch.full((count,), 0.4, dtype=torch.float64), torch.zeros(count, dtype=torch.float64)
    return APGDWalk.begin(images, images, eps, zeros, torch.ones_like(images), norm, fresh=True)


def arrive(walk, *losses):
    for loss in losses:
        images = walk.here + 0.01
        walk.arrive(images, torch.tensor([loss], dtype=torch.float64), 2 * walk.gradient)


@pytest.mark.parametrize(
    ("losses", "halved"),
    [
        ([1, 2, 3, 4], False),
        ([1, 2, 3, 2], True),  # 3 rises of 4: not more than 3/4
        ([1, 0.5, 2, 3, 4, 5, 6, 7], False),  # 7 of 8
        ([-1, -2, -3, -2], True),
    ],
)
def test_a_step_is_halved_where_not_more_than_three_quarters_of_the_steps_rose(losses, halved):
    one = walk()
    arrive(one, *losses)
    one.check(len(losses), "Linf")
    assert one.step.item() == (0.4 if halved else 0.8)
    assert one.rises.item() == 0


def test_a_halved_walk_goes_back_to_its_best():
    one = walk()
    arrive(one, 1.0, 5.0, 2.0, 3.0)
    one.check(4, "Linf")
    assert one.here.item() == pytest.approx(0.52)
    assert one.loss.item() == 5.0
    assert one.gradient.item() == 4.0


def test_a_step_is_halved_where_the_best_is_no_better_unless_it_was_just_halved():
    one = walk()
    arrive(one, 9.0, 1.0, 2.0, 3.0)
    one.check(4, "Linf")
    assert one.step.item() == 0.4  # 3 of 4 rose
    one.loss = torch.zeros_like(one.loss)
    arrive(one, 1.0, 2.0, 3.0, 4.0)  # all rise, none beats 9, but the step is a new one
    one.check(4, "Linf")
    assert one.step.item() == 0.4
    arrive(one, 5.0, 6.0, 7.0, 8.0)
    one.check(4, "Linf")
    assert one.step.item() == 0.2


def test_the_momentum_is_a_quarter_of_the_last_move():
    one = walk()
    one.step = torch.tensor([0.02], dtype=torch.float64)
    arrive(one, 1.0)
    assert one.next("Linf", 0.25).item() == pytest.approx(0.51 + 0.75 * 0.02 + 0.25 * 0.01)
    assert one.next("L1", 0.25).item() == pytest.approx(0.53)


def test_l1_moves_as_many_pixels_as_its_best_calls_for_and_starts_anew_where_those_become_fewer():
    clean = torch.full((2, 1, 2, 5), 0.5)
    best = clean.clone()
    best[0, 0, 0, :3] += 0.1
    best[1] += 0.01
    one = APGDWalk.begin(best, clean, torch.full((2,), 2.0), torch.zeros(2), torch.ones_like(clean), "L1", fresh=True)
    assert one.step.tolist() == [2.0, 2.0]
    assert one.sparsity.tolist() == [0.2, 0.2]
    one.step = torch.tensor([0.3, 0.3])
    one.check(4, "L1")
    torch.testing.assert_close(one.step, torch.tensor([2.0, 0.2]))  # 3 pixels of 10: anew; all 10: 1.5 times shorter
    torch.testing.assert_close(one.sparsity, torch.tensor([0.2, 1 / 1.5], dtype=torch.float64))
    for _ in range(3):
        one.check(4, "L1")
    assert one.step[1].item() == pytest.approx(0.2)  # never below eps / 10


def test_a_later_l1_walk_goes_on_from_the_pixels_that_have_moved():
    clean = torch.full((1, 1, 2, 5), 0.5)
    start = clean.clone()
    start[0, 0, 0, :3] += 0.1
    one = APGDWalk.begin(start, clean, torch.full((1,), 2.0), torch.zeros(1), torch.ones_like(clean), "L1", fresh=False)
    assert one.sparsity.item() == pytest.approx(0.2)
    assert one.support.item() == 3


def test_dropped_samples_leave_everything():
    many = walk(count=3)
    many.drop(torch.tensor([False, True, False]))
    assert many.rows.tolist() == [0, 2]
    assert all(len(part) == 2 for part in vars(many).values())
