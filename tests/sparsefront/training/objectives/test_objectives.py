"""What a model is trained for is a part of its own."""

import re

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from sparsefront import DefendedClassifier, FrontEndCache
from sparsefront.classifiers import LinearSVM, Logistic
from sparsefront.cli.command import main
from sparsefront.data import ImageData
from sparsefront.data.batch import Batch
from sparsefront.data.splits.sources import ArrayImages
from sparsefront.frontends import FrontEnd, Identity
from sparsefront.training.objectives import CrossEntropy, Objective, SolvedReadOut, TrainingStep, default_objective
from tests.helpers.fgsm_training import FGSMTraining
from tests.helpers.places import ROOT
from tests.helpers.small_command import BASE

pytestmark = pytest.mark.filterwarnings("ignore")
SHAPE = (1, 4, 4)
OWN = ["--model.objective", "tests.helpers.fgsm_training.FGSMTraining"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


class Noise(ImageData):
    """20 training images of two classes."""

    def __init__(self):
        super().__init__(
            image_shape=SHAPE, class_names=("a", "b"), own_parts=("train",), batch_size=5, val_size=0, test_size=0,
            seed=0, num_workers=0, augment="none",
        )  # fmt: skip
        generator = torch.Generator().manual_seed(1)
        self.images = torch.randint(0, 256, (20, *SHAPE), dtype=torch.uint8, generator=generator)

    def source(self, part):
        return ArrayImages(self.images, torch.arange(20) % 2, SHAPE[1:])


class Flat(nn.Sequential):
    def __init__(self, in_chans, num_classes):
        super().__init__(nn.Flatten(), nn.Linear(16, num_classes))


class Codes(FrontEnd):
    returns_images = False
    out_channels = 1

    def forward(self, images):
        return images


def trainer(**settings):
    return pl.Trainer(
        max_epochs=2, accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False,
        enable_checkpointing=False, **settings,
    )  # fmt: skip


def model_of(classifier=Flat, frontend=Identity, **settings):
    torch.manual_seed(0)
    return DefendedClassifier(classifier, frontend, SHAPE, 2, lambda parts: torch.optim.SGD(parts, 0.1), **settings)


def batches(data, epochs=2):
    data.setup("fit")
    for epoch in range(epochs):
        loader = data.train_dataloader()
        loader.sampler.set_epoch(epoch)
        yield from loader


@pytest.mark.parametrize("weights", [None, [1.0, 3.0]])
def test_cross_entropy_descends_the_weighted_mean_of_the_batch_as_a_loop_written_out_does(weights):
    model = model_of(class_weights=weights, objective=CrossEntropy())
    trainer().fit(model, Noise())
    torch.manual_seed(0)
    network = Flat(1, 2)
    for batch in batches(Noise()):
        each = nn.functional.cross_entropy(network(batch.image), batch.label, reduction="none")
        loss = (each * torch.tensor(weights or [1.0, 1.0])[batch.label]).mean()
        gradients = torch.autograd.grad(loss, list(network.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(network.parameters(), gradients, strict=True):
                parameter -= 0.1 * gradient
    for found, expected in zip(model.classifier.parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(found, expected)


def test_without_a_name_the_classifier_says_its_objective():
    assert type(model_of().objective) is CrossEntropy
    assert type(model_of(Logistic, Codes).objective) is CrossEntropy
    assert type(model_of(LinearSVM, Codes).objective) is SolvedReadOut

    class Hardened(Flat):
        default_objective = FGSMTraining

    assert type(model_of(Hardened).objective) is FGSMTraining
    Hardened.default_objective = "Nothing"
    with pytest.raises(ValueError, match=r"`default_objective` of Hardened must be one of CrossEntropy, .* 'Nothing'"):
        default_objective(Hardened(1, 2))


def test_what_is_solved_has_no_optimizer_and_counts_one_step():
    model = model_of(LinearSVM, Codes)
    run = trainer(limit_val_batches=0)
    run.fit(model, Noise())
    assert run.optimizers == []
    assert run.lr_scheduler_configs == []
    assert run.global_step == 1
    assert model.classifier.learned


def test_an_objective_refuses_a_classifier_that_it_cannot_train():
    with pytest.raises(ValueError, match="`objective` CrossEntropy trains by gradients, found LinearSVM, which is sol"):
        model_of(LinearSVM, Codes, objective=CrossEntropy())
    with pytest.raises(
        ValueError, match="`objective` SolvedReadOut needs a classifier that is solved, found Flat; tak"
    ):
        model_of(objective=SolvedReadOut())
    with pytest.raises(ValueError, match=r"`objective` must be an Objective, found the class CrossEntropy; wr"):
        model_of(objective=CrossEntropy)


def test_an_objective_of_the_users_own_gets_the_step_and_logs_beside_its_loss():
    seen = []

    class Counting(FGSMTraining):
        def training_step(self, model, batch, step):
            seen.append(step)
            return super().training_step(model, batch, step)

    run = trainer()
    run.fit(model_of(objective=Counting(eps=0.25)), Noise())
    assert seen == list(range(8))
    logged = {name: value.item() for name, value in run.callback_metrics.items()}
    assert logged["train/eps"] == 0.25
    assert logged["train/adversarial_loss"] > logged["train/clean_loss"]
    expected = (logged["train/adversarial_loss"] + logged["train/clean_loss"]) / 2
    assert logged["train/loss"] == pytest.approx(expected)


def test_an_objective_that_moves_pixels_is_not_trained_on_what_a_cache_kept(tmp_path):
    cache = FrontEndCache(str(tmp_path))
    cache.check(model_of(), Noise())
    with pytest.raises(ValueError, match=r"`frontend_cache\.folder` needs an objective .* found FGSMTraining, which"):
        cache.check(model_of(objective=FGSMTraining()), Noise())


def test_a_configuration_names_an_objective_and_its_checkpoint_brings_it_back():
    args = [*BASE, *OWN, "--model.objective.eps", "0.05", "--trainer.limit_val_batches", "2"]
    cli = main(["fit", *args])
    assert type(cli.model.objective) is FGSMTraining
    assert "train/adversarial_loss" in cli.trainer.callback_metrics
    again = DefendedClassifier.load_from_checkpoint(cli.trainer.checkpoint_callback.last_model_path)
    assert (type(again.objective), again.objective.eps) == (FGSMTraining, 0.05)
    for name, tensor in cli.model.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor)


def test_the_projects_objectives_go_by_their_short_names():
    cli = main([*BASE, "--model.objective", "CrossEntropy"], run=False)
    assert type(cli.model.objective) is CrossEntropy


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("CrosEntropy", "found CrosEntropy; did you mean CrossEntropy?"),
        (
            "ConvNet",
            "`model.objective` must name an objective, found ConvNet, which is a classifier; write e.g. C",
        ),
        ("os.system", "`model.objective` must name a subclass of Objective, found os.system, which is none"),
        ("SolvedReadOut", "`objective` SolvedReadOut needs a classifier that is solved, found ConvNet; take LinearSVM"),
    ],
)
def test_what_is_no_objective_is_refused_in_one_sentence(name, said, capsys):
    with pytest.raises(SystemExit):
        main(["fit", *BASE, "--model.objective", name])
    assert said in capsys.readouterr().err


def test_another_objective_than_the_checkpoints_is_refused_when_a_fit_goes_on(capsys):
    quick = [*BASE, "--trainer.limit_val_batches", "0"]
    main(["fit", *quick])
    with pytest.raises(SystemExit):
        main(["fit", *quick, *OWN, "--ckpt_path", "last", "--trainer.max_epochs", "3"])
    said = capsys.readouterr().err
    assert "must be resumed with its own settings, found model.objective: null → tests.FGSMTraining" in said


def test_the_objective_in_the_documentation_trains():
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/objectives.md").read_text(), flags=re.DOTALL)
    shown: dict = {}
    exec(code, shown)
    run = trainer()
    run.fit(model_of(objective=shown["FGSMTraining"](eps=0.2)), Noise())
    assert run.callback_metrics["train/adversarial_loss"] > 0


def test_gradients_flow_from_the_loss_of_a_step_alone():
    model = model_of()
    batch = Batch(torch.rand(3, *SHAPE), torch.tensor([0, 1, 0]), torch.arange(3))
    step = model.objective.training_step(model, batch, 0)
    assert isinstance(step, TrainingStep)
    assert step.loss.requires_grad
    assert all(parameter.grad is None for parameter in model.parameters())
    assert issubclass(CrossEntropy, Objective)
