import pytest
import torch
from torch import nn

from sparsefront.attacks import PGD, FittedModel, NamedAttack, Neighbourhood, WhiteBox
from tests.helpers.planted import HIDING, PLAIN, network, right_digits, training_images

FEW = {"n_fitting_images": 10, "width": 2, "steps": 3, "batch_size": 4}


def standing(model, logits, batch, eps):
    adversarial = PGD(eps=eps, steps=20, random_start=False)(logits, *batch)
    with torch.no_grad():
        return int((model(adversarial).argmax(dim=1) == batch.label).sum())


@pytest.mark.parametrize(("kind", "eps", "steps", "within"), [("detach", 0.15, 600, 3), ("one_hot", 0.2, 200, 10)])
def test_what_fools_a_fitted_network_fools_a_model_without_any_gradient(kind, eps, steps, within):
    """Of a hundred samples; answers without scores say less."""
    bare, model = (planted.around(network("mlp")) for planted in (PLAIN["bare"], HIDING[kind]))
    batch = right_digits(bare, 100)
    view = FittedModel(radius=0.1, steps=steps).fitted(model, training_images(2000)[0])
    assert standing(model, view(model), batch, eps) <= standing(bare, WhiteBox()(bare), batch, eps) + within


def gradient(logits, images):
    point = images.clone().requires_grad_()
    return torch.autograd.grad(logits(point)[:, 0].sum(), point)[0]


def test_it_asks_for_answers_alone_and_only_while_it_is_fitted():
    class Counting(nn.Module):
        asked = 0

        def forward(self, images):
            assert not images.requires_grad
            self.asked += len(images)
            return images.flatten(1)[:, :3]

    net = Counting()
    model = PLAIN["bare"].around(net)
    images, _ = training_images(10)
    view = FittedModel(**FEW).fitted(model, images)
    asked = net.asked
    assert asked == 10 + 10 + 1 + 3 * 2 * 4  # of whether there are scores and how many, then two for each of a batch
    assert gradient(view(model), images).abs().max() > 0
    assert net.asked == asked


def test_all_its_questions_go_through_the_meter():
    counted = []

    def meter(logits):
        def counting(images):
            counted.append(len(images))
            return logits(images)

        return counting

    model = PLAIN["bare"].around(network("mlp"))
    images, _ = training_images(10)
    view = FittedModel(**FEW).fitted(model, images, meter)
    assert sum(counted) == 45
    view(model, meter)(images)
    assert sum(counted) == 55


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_it_is_fitted_in_single_precision_at_least(dtype):
    model = PLAIN["bare"].around(nn.Sequential(nn.Flatten(), nn.Linear(784, 3)).to(dtype))
    images = training_images(10)[0].to(dtype)
    logits = FittedModel(**FEW).fitted(model, images)(model)
    assert logits(images).dtype == torch.promote_types(dtype, torch.float32)


def test_the_same_seed_fits_the_same_and_leaves_no_trace():
    model = HIDING["one_hot"].around(network("mlp"))
    images, _ = training_images(10)
    state = torch.get_rng_state()
    with torch.inference_mode():
        views = [FittedModel(**FEW).fitted(model, images) for _ in range(2)]
    other = FittedModel(**FEW, seed=1).fitted(model, images)
    assert torch.equal(torch.get_rng_state(), state)
    first, second, third = (gradient(view(model), images) for view in (*views, other))
    assert torch.equal(first, second)
    assert not torch.equal(first, third)
    assert views[0] == FittedModel(**FEW)


def test_it_is_a_surrogate_and_may_stand_in_a_neighbourhood():
    model = PLAIN["bare"].around(network("mlp"))
    images, _ = training_images(10)
    around = Neighbourhood(FittedModel(**FEW), n_samples=2)
    assert around.n_fitting_images == 10
    assert (around.knowledge, around.is_deployed) == ("transfer", False)
    assert gradient(around.fitted(model, images)(model), images).isfinite().all()
    with pytest.raises(ValueError, match="must not stop early with view FittedModel"):
        NamedAttack("a", PGD(early_stop=True), FittedModel())


def test_it_must_be_fitted_before_it_is_asked():
    logits = FittedModel()(PLAIN["bare"].around(network("mlp")))
    with pytest.raises(ValueError, match="must be fitted first"):
        logits(training_images(2)[0])


@pytest.mark.parametrize("setting", ["n_fitting_images", "width", "steps", "batch_size"])
def test_settings_out_of_range_are_named(setting):
    with pytest.raises(ValueError, match=f"`{setting}` must be at least 1, found 0"):
        FittedModel(**{setting: 0})
