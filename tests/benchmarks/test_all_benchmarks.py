"""What `python -m benchmarks` says of ratios that were better before."""

import json

from benchmarks import record
from benchmarks.__main__ import ratios, slower
from benchmarks.contest import Contest
from benchmarks.record import hold_all, n_threads


def contest(ratio, threads=1, rival="b"):
    of = {"ours": "a", "rival": rival, "ratio": ratio, "goal": 1.0}
    return {"path": "p", "setting": "s", "machine": f"Linux, one, {threads} threads", "ratios": [of]}


def test_ratios_that_fell_beyond_noise_are_told_each_beside_the_same_rival_on_as_many_threads():
    before = ratios([contest(2.0), contest(3.0, threads=2), contest(4.0, rival="c"), contest(5.0, rival="gone")])
    now = ratios([contest(1.72), contest(2.5, threads=2), contest(9.0, rival="c"), contest(0.1, rival="new")])
    assert slower(before, now) == {("p", "s", 2, "a", "b"): (3.0, 2.5)}


def test_contests_replace_those_of_their_path_on_as_many_threads(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "flops_rate", lambda: 1.0)
    results = tmp_path / "results.json"

    def held(path, threads, setting):
        one = Contest(path, setting, 1, {"ours": lambda: None}, rounds=1)
        hold_all("benchmarks.some", [path], lambda _path: [one], results, threads, ["torch"])

    for path, threads, setting in (("p", 1, "old"), ("p", 2, "two"), ("q", 1, "other"), ("p", 1, "new")):
        held(path, threads, setting)
    found = [
        (entry["path"], n_threads(entry), entry["setting"]) for entry in json.loads(results.read_text())["contests"]
    ]
    assert found == [("p", 2, "two"), ("q", 1, "other"), ("p", 1, "new")]
