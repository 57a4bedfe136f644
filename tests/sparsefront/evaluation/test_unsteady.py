"""Models that change when they are called, or mix the images of a batch, are noticed, named and left as they were."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from sparsefront.attacks import PGD, NamedAttack, Square
from sparsefront.cli.dry_run.classifier_check import check_classifier
from sparsefront.common.frozen_model import frozen_model
from sparsefront.common.plain_parts import plain_parts
from sparsefront.evaluation.model_state import changed_by_calls
from sparsefront.evaluation.unsteady import unsteady
from sparsefront.frontends import Identity
from tests.helpers.linear_rig import SHAPE, Linear, defended, run

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


@pytest.mark.filterwarnings("ignore:a part of .*BatchNorm2d, was left in training mode")
@pytest.mark.parametrize("kind", [MovingNorm, WithBuffer], ids=lambda kind: kind.__name__)
def test_an_attack_leaves_buffers_as_they_were_also_after_an_error(kind):
    model = defended(kind).eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    places = {name: tensor.data_ptr() for name, tensor in model.named_buffers()}
    with frozen_model(model):
        PGD(eps=0.1, steps=3)(model, IMAGES, torch.zeros(6, dtype=torch.int64))
    with pytest.raises(RuntimeError, match="shape"), frozen_model(model):
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


class PartInTorchScript(Linear):
    """Counts its calls where it is told to."""

    def __init__(self, in_chans, num_classes, counts=False):
        super().__init__(in_chans, num_classes)
        self.norm = torch.jit.script(Counted(in_chans, counts)).eval()

    def forward(self, images):
        return super().forward(self.norm(images))


class Counted(nn.Module):
    def __init__(self, in_chans: int, counts: bool):
        super().__init__()
        self.norm, self.counts = nn.BatchNorm2d(in_chans), counts
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, images):
        if self.counts:
            self.calls += 1
        return self.norm(images)


class CountsInTorchScript(PartInTorchScript):
    def __init__(self, in_chans, num_classes):
        super().__init__(in_chans, num_classes, counts=True)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning", "ignore:.*torch.jit:FutureWarning")
def test_a_part_in_torchscript_is_looked_into():
    assert list(unsteady(defended(PartInTorchScript).eval(), IMAGES)) == []
    model = defended(CountsInTorchScript).eval()
    before = model.classifier.norm.calls.clone()
    with frozen_model(model):
        model(IMAGES)
    assert torch.equal(model.classifier.norm.calls, before)
    with pytest.warns(UserWarning, match=r"lassifier\.norm\.calls of the model changes"):
        assert list(unsteady(model, IMAGES))


KINDS = {
    "sparse": lambda scale: (scale * torch.eye(3)).to_sparse(),
    "by rows": lambda scale: (scale * torch.eye(3)).to_sparse_csr(),
    "by columns": lambda scale: (scale * torch.eye(3)).to_sparse_csc(),
    "float8": lambda scale: torch.full((3,), scale).to(torch.float8_e4m3fn),
    "quantised": lambda scale: torch.quantize_per_tensor(torch.full((3,), scale).float(), 0.1, 0, torch.quint8),
    "nested": lambda scale: torch.nested.nested_tensor([torch.full((2,), scale), torch.full((3,), scale)]),
    "complex": lambda scale: torch.full((3,), scale, dtype=torch.complex64),
    "unsigned": lambda scale: torch.full((3,), int(scale), dtype=torch.uint16),
    "not a number": lambda scale: torch.tensor([torch.nan, scale]),
    "meta": lambda scale: torch.ones(3, device="meta"),
}
KINDS_OF_TENSOR = pytest.mark.parametrize("kind", KINDS)
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*(nested|[Ss]parse).*:UserWarning",
    "ignore:.*quantiz.*:UserWarning",
    "ignore:.*quantiz.*:DeprecationWarning",
)


def holding(kind, buffer=True, moves=False):
    """A model with a tensor of that kind, which its calls may put another in the place of."""

    class Holding(Linear):
        def __init__(self, in_chans, num_classes):
            super().__init__(in_chans, num_classes)
            self.calls = iter(range(1, 100))
            if buffer:
                self.register_buffer("held", KINDS[kind](1.0), persistent=False)
            else:
                self.held = KINDS[kind](1.0)

        def forward(self, images):
            if moves:
                self.held = KINDS[kind](float(next(self.calls)))
            return super().forward(images)

    return Holding


@KINDS_OF_TENSOR
@pytest.mark.parametrize("buffer", [True, False])
def test_a_tensor_of_any_kind_is_looked_at_and_ends_no_run(kind, buffer):
    assert list(unsteady(defended(holding(kind, buffer)).eval(), IMAGES)) == []
    model = defended(holding(kind, buffer, moves=True)).eval()
    if kind == "meta":  # which holds no values
        assert list(unsteady(model, IMAGES)) == []
    else:
        with pytest.warns(UserWarning, match=r"lassifier\.held of the model changes"):
            assert list(unsteady(model, IMAGES))


def read_out(tensor):
    return [part.tolist() for part in plain_parts(tensor)]


@KINDS_OF_TENSOR
def test_an_attack_leaves_buffers_of_any_kind_as_they_were(kind):
    model = defended(holding(kind, moves=True)).eval()
    held, values = model.classifier.held, repr(read_out(model.classifier.held))
    with frozen_model(model):
        model(IMAGES)
    assert model.classifier.held is held
    with frozen_model(model):
        if kind != "nested":  # which torch cannot write into
            held.copy_(KINDS[kind](2.0))
    assert repr(read_out(model.classifier.held)) == values
    images = torch.zeros(1, *SHAPE)
    with torch.no_grad():
        expected = model.classifier(images)
    check_classifier(model, expected.shape[1])
