"""Front ends learned by gradient steps, with MagNet as the one that learns.

This file is also the program of two processes, which it becomes once all is imported; its argument is the folder where
they meet, find the batches and leave their networks.
"""

import os
import re
import subprocess
import sys

import pytest
import torch
from torch.nn import functional as F

from sparsefront.frontends import ComDefend, MagNet
from tests.helpers.digits import step_by_step
from tests.helpers.front_end_contract import fitted
from tests.helpers.places import IMPORT_PATH
from tests.helpers.precision import DTYPE

SHAPE = (3, 8, 6)


def batches(n=3, size=10):
    return torch.rand(n, size, *SHAPE, generator=torch.Generator().manual_seed(1))


def network_of(frontend):
    return torch.cat([parameter.detach().flatten() for parameter in frontend.parameters()])


def test_steps_are_those_of_plain_torch():
    frontend = MagNet(SHAPE, noise=0.0, learning_rate=0.01)
    weights = [parameter.detach().clone().requires_grad_() for parameter in frontend.parameters()]
    optimizer = torch.optim.Adam(weights, lr=0.01)
    expected = []
    for images in batches():
        x = images
        for weight, bias in zip(weights[::2], weights[1::2], strict=True):
            x = torch.sigmoid(F.conv2d(x, weight, bias, padding=1))
        loss = F.mse_loss(x, images)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        expected.append(loss.item())
    assert step_by_step(frontend, batches()) == pytest.approx(expected, rel=1e-5)
    for parameter, weight in zip(frontend.parameters(), weights, strict=True):
        torch.testing.assert_close(parameter.detach(), weight.detach(), rtol=1e-5, atol=1e-6)


def test_two_processes_on_unequal_shares_learn_what_one_learns(tmp_path):
    stream = batches(4).double()
    torch.save(stream, tmp_path / "batches.pt")
    both = subprocess.Popen([sys.executable, __file__, tmp_path], env={**os.environ, "PYTHONPATH": IMPORT_PATH})
    alone = MagNet(SHAPE, noise=0.0, learning_rate=0.01).double()
    losses = step_by_step(alone, stream)
    assert both.wait(120) == 0
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    assert first["losses"] == second["losses"] == pytest.approx(losses)
    assert torch.equal(first["network"], second["network"])
    torch.testing.assert_close(first["network"], network_of(alone))


def test_first_weights_follow_the_seed_and_leave_the_global_random_numbers_alone():
    before = torch.get_rng_state()
    first = MagNet(SHAPE)
    step_by_step(first, batches())
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    again = MagNet(SHAPE)
    step_by_step(again, batches())
    assert torch.equal(network_of(first), network_of(again))
    assert not torch.equal(network_of(MagNet(SHAPE, seed=1)), network_of(MagNet(SHAPE)))


def test_noise_is_drawn_anew_in_every_step():
    frontend = MagNet(SHAPE, noise=0.5, learning_rate=1e-12)
    losses = step_by_step(frontend, batches(1).expand(3, -1, -1, -1, -1))
    assert len(set(losses)) == 3


def test_stage_two_finds_nothing_to_train():
    for frontend in (MagNet(SHAPE, n_iterations=2), ComDefend(SHAPE, widths=[4], n_iterations=2)):
        before = network_of(frontend)
        assert not any(parameter.requires_grad for parameter in frontend.parameters())
        fitted(frontend, batches()[0])
        assert bool(frontend.learned)
        assert not torch.equal(network_of(frontend), before)
        assert not any(parameter.requires_grad or parameter.grad is not None for parameter in frontend.parameters())
        seen = frontend.train()(batches()[0])
        assert not seen.requires_grad
        assert torch.equal(seen, frontend.eval()(batches()[0]))  # noise belongs to learning alone


def test_a_checkpoint_holds_the_network_and_no_moments():
    frontend = fitted(MagNet(SHAPE, n_iterations=2), batches()[0])
    assert set(frontend.state_dict()) == {"learned"} | {name for name, _ in frontend.named_parameters()}
    assert frontend._optimizer is None


@pytest.mark.parametrize("build", [MagNet, ComDefend])
def test_a_front_end_that_has_not_learned_says_so(build):
    frontend = build(SHAPE)
    for backward in frontend.backward_modes():
        with pytest.raises(RuntimeError, match=f"This {build.__name__} has not learned yet; fit it with"):
            frontend.stand_in(backward)(torch.rand(1, *SHAPE))


def test_learning_that_diverges_ends_with_a_sentence():
    frontend = MagNet(SHAPE, structure=[3, 3], activation="relu", learning_rate=1e30).float()
    with pytest.raises(RuntimeError, match=r"not finite in step \d; lower `learning_rate` = 1e\+30"):
        step_by_step(frontend, batches().float())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_iterations": 0}, "`n_iterations` must be at least 1, found 0."),
        ({"learning_rate": 0.0}, "`learning_rate` must be positive and finite, found 0."),
        ({"learning_rate": float("nan")}, "`learning_rate` must be positive and finite, found nan."),
    ],
)
def test_a_setting_out_of_range_is_named(settings, message):
    for build in (MagNet, ComDefend):
        with pytest.raises(ValueError, match=re.escape(message)):
            build(SHAPE, **settings)


def main(rank, folder):
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", f"file://{folder}/meet", rank=rank, world_size=2)

    frontend = MagNet(SHAPE, noise=0.0, learning_rate=0.01).double()
    stream = torch.load(f"{folder}/batches.pt")
    losses = step_by_step(frontend, [batch.split([7, 3])[rank] for batch in stream])
    torch.save({"losses": losses, "network": network_of(frontend)}, f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    torch.set_default_dtype(DTYPE)  # as tests/conftest.py does
    torch.multiprocessing.start_processes(main, sys.argv[1:], nprocs=2, start_method="fork")
