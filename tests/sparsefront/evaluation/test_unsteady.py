"""Models that change when they are called, or mix the images of a batch, are noticed, named and left as they were."""

import json
from pathlib import Path

import pytest
import torch
from linear_rig import SHAPE, Linear, defended, run
from torch import nn

from attacks import PGD, NamedAttack, Square
from frontends import Identity
from sparsefront.evaluation.model_state import changed_by_calls
from sparsefront.evaluation.quiet import under_attack
from sparsefront.evaluation.unsteady import unsteady

IMAGES = torch.rand(6, *SHAPE, generator=torch.Generator().manual_seed(1))


class MovingNorm(Linear):
    """Follows the images in evaluation too."""

    def __init__(self, in_chans, num_classes):
        super().__init__(in_chans, num_classes)
        self.norm = nn.BatchNorm2d(in_chans)

    def train(self, mode=True):
        super().train(mode)
        self.norm.training = True
        return self

    def forward(self, images):
        return super().forward(self.norm(images))


class WithCounter(Linear):
    def __init__(self, in_chans, num_classes):
        super().__init__(in_chans, num_classes)
        self.calls = 0

    def forward(self, images):
        self.calls += 1
        return super().forward(images) * (1 + self.calls % 2)


class WithBuffer(Linear):
    """Keeps a moving average, by assignment."""

    def __init__(self, in_chans, num_classes):
        super().__init__(in_chans, num_classes)
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, images):
        self.mean = 0.9 * self.mean + 0.1 * images.detach().mean()
        return super().forward(images - self.mean)


class WithList(Linear):
    def __init__(self, in_chans, num_classes):
        super().__init__(in_chans, num_classes)
        self.seen = []

    def forward(self, images):
        self.seen.append(len(images))
        return super().forward(images)


class WithGenerator(Linear):
    def __init__(self, in_chans, num_classes):
        super().__init__(in_chans, num_classes)
        self.draws = torch.Generator().manual_seed(0)

    def forward(self, images):
        return super().forward(images + 0.1 * torch.rand(images.shape, generator=self.draws))


class Activations(Linear):
    """Keeps what it saw last, which is no state: equal calls leave it equal."""

    def forward(self, images):
        self.last, self.size = images, len(images)
        return super().forward(images)


class Remembering(Identity):
    """A front end with a state."""

    def __init__(self, image_shape):
        super().__init__(image_shape)
        self.register_buffer("asked", torch.tensor(0))

    def forward(self, images):
        self.asked += len(images)
        return images.clone()


CHANGING = [
    (MovingNorm, "classifier.norm.running_mean"),
    (WithCounter, "classifier.calls"),
    (WithBuffer, "classifier.mean"),
    (WithList, "classifier.seen"),
    (WithGenerator, "classifier.draws"),
]


@pytest.mark.parametrize(("kind", "name"), CHANGING, ids=lambda one: getattr(one, "__name__", one))
def test_what_changes_when_a_model_is_called_is_named(kind, name):
    model = defended(kind).eval()
    with pytest.warns(UserWarning, match="changes whenever it is called, so that verdicts depend"):
        (finding,) = unsteady(model, IMAGES)
    assert finding.raised
    assert finding.flag == "changes_when_called"
    assert name in finding.sentence


def test_a_front_end_that_changes_is_named_too():
    with pytest.warns(UserWarning, match=r"[Ff]rontend\.asked of the model changes"):
        assert list(unsteady(defended(frontend=Remembering).eval(), IMAGES))


@pytest.mark.parametrize("kind", [Linear, Activations])
def test_a_model_that_stays_as_it_is_is_not_named(kind):
    model = defended(kind).eval()
    assert list(unsteady(model, IMAGES)) == []
    assert changed_by_calls(model, lambda: model(IMAGES), torch.device("cpu")) == []


class BatchStatistics(Linear):
    def __init__(self, in_chans, num_classes):
        super().__init__(in_chans, num_classes)
        self.norm = nn.BatchNorm2d(in_chans, track_running_stats=False)

    def forward(self, images):
        return super().forward(self.norm(images))


def test_an_answer_that_depends_on_batch_mates_is_said():
    with pytest.warns(UserWarning, match="depends on the images beside it"):
        (finding,) = unsteady(defended(BatchStatistics).eval(), IMAGES)
    assert finding.flag == "depends_on_batch_mates"


class AlwaysDropping(Linear):
    def forward(self, images):
        return super().forward(nn.functional.dropout(images, 0.5, training=True))


def test_a_model_that_draws_numbers_is_left_to_the_diagnostics():
    assert list(unsteady(defended(AlwaysDropping).eval(), IMAGES)) == []


@pytest.mark.parametrize("kind", [MovingNorm, WithBuffer], ids=lambda kind: kind.__name__)
def test_an_attack_leaves_buffers_as_they_were_also_after_an_error(kind):
    model = defended(kind).eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    places = {name: tensor.data_ptr() for name, tensor in model.named_buffers()}
    with under_attack(model):
        PGD(eps=0.1, steps=3)(model, IMAGES, torch.zeros(6, dtype=torch.int64))
    with pytest.raises(RuntimeError, match="shape"), under_attack(model):
        model(IMAGES[..., :2])
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert {name: tensor.data_ptr() for name, tensor in model.named_buffers()} == places


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
def test_the_record_names_it(tmp_path):
    named = [NamedAttack("pgd", PGD(eps=0.02, steps=2)), NamedAttack("square", Square(eps=0.02, n_queries=4))]
    trainer = run(tmp_path, "validate", named, defended(WithCounter))
    about = json.loads(Path(f"{trainer.log_dir}/results/val_attacks.json").read_text())
    raised = [one for one in about["diagnostics"] if one["flag"] == "changes_when_called"]
    assert len(raised) == 1
    assert "classifier.calls" in raised[0]["sentence"]
    assert about["search_form"] == "as it is"
    assert "classifier.calls" in about["search_form_reason"]


class WholeBatches(Linear):
    """Code for one size of batch."""

    def forward(self, images):
        return super().forward(images.view(6, *SHAPE))


class TrainsItself(Linear):
    """Test-time adaptation: parameters that move."""

    def forward(self, images):
        with torch.no_grad():
            self.linear.bias += 0.01
        return super().forward(images)


def test_a_model_of_one_size_of_batch_is_left_to_the_attacks_own_errors():
    assert list(unsteady(defended(WholeBatches).eval(), IMAGES)) == []


def test_parameters_that_move_are_named():
    with pytest.warns(UserWarning, match=r"lassifier\.linear\.bias of the model changes"):
        assert list(unsteady(defended(TrainsItself).eval(), IMAGES))
