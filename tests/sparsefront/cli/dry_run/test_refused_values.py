"""Wrong values are refused before anything is imported, in the very sentence that the whole command would say."""

import pytest
import yaml

from sparsefront.cli import command
from sparsefront.cli.dry_run import check
from sparsefront.cli.dry_run.misspelt import check_spelling
from tests.helpers.one_sentence import sentence
from tests.helpers.places import CONFIGS

TOP_T = "{{class_path: TopT, init_args: {{{}}}}}"
ENTRY = "{{name: a, attack: {{class_path: {}, init_args: {{{}}}}}}}"
MANY = "lower it, raise `n_atoms`, or write null to keep all."
REFUSED = [
    (["--trainer.max_epochs", "x"], "`trainer.max_epochs` must be an integer, found x."),
    (["--trainer.max_epochs", "true"], "`trainer.max_epochs` must be an integer, found True."),
    (["--evaluation.max_samples", "x"], "`evaluation.max_samples` must be an integer, found x."),
    (["--evaluation.max_samples", "0"], "`max_samples` must be at least 1, found 0; write null for all."),
    (["--model.frontend.top_t", "ten"], "`top_t` of TopT must be an integer, found ten."),
    (["--model.frontend.top_t", "None"],
     "`top_t` of TopT must be an integer, found the text None; write null for none."),
    (["--model.frontend.top_t", "0"], f"TopT: `top_t` must be from 1 to `n_atoms` = 100, found 0; {MANY}"),
    (["--model.frontend", TOP_T.format("top_t: 200")],
     f"TopT: `top_t` must be from 1 to `n_atoms` = 100, found 200; {MANY}"),
    (["--model.frontend.decoder", "none"],
     "`decoder` of TopT must be one of 'transposed', 'small', 'deep', 'resize', 'identity', found none."),
    (["--model.frontend.learning.n_iterations", "null"],
     "`learning.n_iterations` of TopT must be an integer, found None (null in YAML)."),
    (["--model.frontend.learning.n_iterations", "0"], "TopTLearning: `n_iterations` must be at least 1, found 0."),
    (["--model.frontend.quantizer.eps", "x"],
     "TopTQuantizer: `eps` must be a finite number or a fraction such as 8/255, found 'x'."),
    (["--model.classifier.width", "0"], "ConvNet: `width` must be at least 1, found 0."),
    (["--data.batch_size", "x"], "`batch_size` of MNIST5k must be an integer, found x."),
    (["--data.batch_size", "0"], "`batch_size` must be >= 1, found 0; write e.g. batch_size: 128."),
    (["--attacks+", ENTRY.format("PGD", "steps: 0")], "Entry 'a': PGD: `steps` must be at least 1, found 0."),
    (["--attacks+", ENTRY.format("PGD", "steps: x")], "Entry 'a': `steps` of PGD must be an integer, found x."),
    (["--attacks+", ENTRY.format("PGD", "norm: L3")],
     "Entry 'a': `norm` of PGD must be one of 'Linf', 'L2', 'L1', found L3."),
    (["--attacks+", ENTRY.format("PGD", "eps: -1")],
     "Entry 'a': PGD: `eps` must be >= 0, found -1.0; write it in pixel units of [0, 1], e.g. 8/255."),
]  # fmt: skip


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    """The command of a whole experiment, without its attacks, which take most of the parser's time."""
    settings = yaml.safe_load((CONFIGS / "experiments/mnist5k_top_t.yaml").read_text())
    del settings["attacks"]
    path = tmp_path_factory.mktemp("experiment") / "mnist5k_top_t.yaml"
    path.write_text(yaml.safe_dump(settings))
    return ["fit", "--config", str(path)]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("words", "said"), REFUSED, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_a_value_is_refused_at_once_in_the_sentence_of_the_whole_command(
    words, said, experiment, monkeypatch, capsys, tmp_path
):
    with pytest.raises(ValueError, match="must") as refused:
        check_spelling([*experiment, *words])
    assert str(refused.value) == said
    monkeypatch.setattr("sys.argv", ["sparsefront"])
    monkeypatch.setattr(check, "refuse_at_once", lambda words: None)
    with pytest.raises(SystemExit):
        check.check([*experiment, *words, "--run_dir", str(tmp_path)])
    assert sentence(capsys.readouterr().err) == said


@pytest.mark.parametrize(
    "words",
    [
        ["--model.frontend.top_t", "null"],
        ["--model.frontend.quantizer.eps", "1/255"],
        ["--model.frontend.quantizer.beta", "1e0"],
        ["--model.frontend.patch_size", "40"],  # what fits is known once the data are
        ["--model.frontend", "TopT", "--model.frontend.top_t", "100"],
        [
            "--model.frontend",
            "Identity",
            "--model.frontend",
            "TopT",
            "--model.frontend.top_t",
            "200",
        ],  # n_atoms may be 500
        ["--data.val_size", "0.1"],
        ["--trainer.limit_train_batches", "0.5"],
        ["--trainer.callbacks+", "{class_path: EarlyStopping, init_args: {monitor: val_loss}}"],
        ["--trainer.logger", "false"],
        ["--attacks+", ENTRY.format("mine.PGD", "steps: 0")],
    ],
    ids=" ".join,
)
def test_what_may_be_well_passes(words, experiment):
    check_spelling([*experiment, *words])


def test_a_command_that_is_refused_at_once_exits_with_two(experiment, capsys):
    with pytest.raises(SystemExit) as stop:
        command.main([*experiment, "--model.frontend.top_t", "0"])
    assert stop.value.code == 2
    said = sentence(capsys.readouterr().err)
    assert said == f"TopT: `top_t` must be from 1 to `n_atoms` = 100, found 0; {MANY}"
