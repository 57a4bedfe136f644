import copy

import foolbox
import pytest
import torch

from sparsefront.attacks import BIM, PGD


@pytest.mark.parametrize(("norm", "eps"), [("Linf", 0.05), ("L2", 0.4)])
def test_agrees_with_foolbox(conv_net, batch, norm, eps):
    images, labels = batch[0].float(), batch[1]
    model = copy.deepcopy(conv_net).float()
    bounded = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")
    rival = getattr(foolbox.attacks, f"{norm}BasicIterativeAttack")
    theirs = rival(abs_stepsize=1.25 * eps / 10, steps=10, random_start=False)
    expected = theirs(bounded, images, labels, epsilons=eps)[1]
    torch.testing.assert_close(BIM(eps=eps, norm=norm)(model, images, labels), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("norm", ["Linf", "L2", "L1"])
def test_is_pgd_without_its_random_start(conv_net, batch, norm):
    settings = {"eps": 0.2, "norm": norm, "steps": 7, "step_size": 0.05}
    expected = PGD(**settings, random_start=False)(conv_net, *batch)
    assert torch.equal(BIM(**settings)(conv_net, *batch), expected)


def test_its_steps_are_those_published():
    """Kurakin et al.: steps of one grey level, min(eps + 4, 1.25 eps) of them."""
    assert BIM(eps="16/255", steps=20).step == pytest.approx(1 / 255)
    assert BIM(eps=0.4, steps=4, step_size="1/255").step == 1 / 255


def test_step_0_is_refused():
    with pytest.raises(
        ValueError, match=r"`step_size` must be positive and finite, found 0; leave it out for 1.25 . eps / steps"
    ):
        BIM(step_size=0)
