"""What is given by a flag and, later on the line, by a configuration file."""

import pytest
import yaml

from sparsefront.cli.overridden_flags import keep_checkpoint


@pytest.fixture
def file(tmp_path):
    def write(name="config.yaml", **settings):
        path = tmp_path / name
        path.write_text(yaml.safe_dump(settings))
        return str(path)

    return write


@pytest.mark.parametrize("flag", [["--ckpt_path", "last"], ["--ckpt_path=last"]])
@pytest.mark.parametrize("settings", [{"ckpt_path": None}, {"ckpt_path": "last"}, {"run_dir": "r"}])
@pytest.mark.parametrize("form", ["two words", "one word", "short", "inline"])
def test_a_checkpoint_named_before_a_file_that_names_none_is_taken(file, flag, settings, form):
    path = file(**settings)
    config = {
        "two words": ["--config", path],
        "one word": [f"--config={path}"],
        "short": ["-c", path],
        "inline": ["--config", yaml.safe_dump(settings, default_flow_style=True).strip()],
    }[form]
    line = ["test", *flag, "--config", file("base.yaml", trainer={}), *config, "--x", "1"]
    kept = keep_checkpoint(line)
    assert sorted(kept) == sorted(line)
    assert kept[-len(flag) :] == flag
    assert keep_checkpoint(kept) == kept


def test_a_checkpoint_after_the_files_and_a_null_of_the_user_stay_where_they_are(file):
    path = file(ckpt_path="r/version_0")
    for line in (["--config", path, "--ckpt_path", "last"], ["--ckpt_path", "null", "--config", path], ["test"]):
        assert keep_checkpoint(line) == line


def test_two_names_of_a_checkpoint_are_refused(file):
    path = file(ckpt_path="r/version_0")
    with pytest.raises(ValueError, match=r"`--ckpt_path` last must come after `--config` .*: r/version_0 would be"):
        keep_checkpoint(["test", "--ckpt_path", "last", "--config", path])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--trainer.max_epochs", "3"], True), (["--trainer.max_epochs=3"], True),
        (["--trainer", "{max_epochs: 3}"], True), (["--model.classifier.width", "2"], True),
        (["--model.classifier.init_args.width", "2"], True), (["--model.classifier", "MLP"], True),
        (["--attacks+", "{name: a}"], True), (["--run_dir", "mine"], True),
        (["--trainer.max_epochs", "1"], False), (["--model.classifier", "ConvNet"], False),
        (["--model.classifier.width", "4"], False), (["--data.seed", "1"], False), (["--run_dir", "r"], False),
    ],
)  # fmt: skip
def test_a_flag_that_a_later_file_overrides_is_said_once(file, capsys, words, said):
    path = file(
        run_dir="r", trainer={"max_epochs": 1}, attacks=[], ckpt_path=None,
        model={"classifier": {"class_path": "sparsefront.classifiers.ConvNet", "init_args": {"width": 4}}},
    )  # fmt: skip
    keep_checkpoint(["test", *words, "--config", path])
    err = capsys.readouterr().err
    assert err.count("comes later on the line") == said
    assert (words[0].split("=")[0] in err) == said
    keep_checkpoint(["test", "--config", path, *words])
    assert capsys.readouterr().err == ""
