"""`python -m sparsefront.cli.report` is `sparsefront-report`."""

import runpy
import sys
import warnings

import pytest


def ended(words, monkeypatch):
    for name in [one for one in sys.modules if one.startswith(("sparsefront.report", "sparsefront.cli.report"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "argv", ["sparsefront-report", *map(str, words)])
    with warnings.catch_warnings():
        warnings.filterwarnings("error", ".*found in sys.modules", RuntimeWarning)
        with pytest.raises(SystemExit) as stop:
            runpy.run_module("sparsefront.cli.report", run_name="__main__", alter_sys=True)
    return stop.value.code


def test_a_missing_run_is_said_and_ends_it(tmp_path, monkeypatch, capsys):
    assert ended([tmp_path / "nowhere"], monkeypatch) == 1
    assert "nowhere" in capsys.readouterr().err


def test_the_page_is_written(make_run, tmp_path, monkeypatch, capsys):
    assert ended([make_run(), "--out", tmp_path / "page.html"], monkeypatch) == 0
    assert (tmp_path / "page.html").exists()
    assert capsys.readouterr().out.strip().endswith("page.html")
