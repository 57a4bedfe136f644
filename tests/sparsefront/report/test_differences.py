"""Whether systems differ: counted by hand on ten samples."""

import json

from sparsefront.report.differences import differences
from sparsefront.results.run import load_runs


def test_a_difference_that_the_samples_show_is_said_with_its_p(make_run, entry):
    weak = make_run("weak", attacks=[entry("a", fell=range(8))], system="weak")
    firm = make_run("firm", attacks=[entry("a", fell=())], system="firm")
    (sentence,) = differences(load_runs([weak, firm]))
    assert sentence == (
        "In the worst case on the same 10 samples 8 stand with firm alone and 0 with weak alone: p = 0.0078 by "
        "McNemar's exact test."
    )


def test_a_difference_that_may_be_chance_is_none(make_run, entry):
    one = make_run("one", attacks=[entry("a", fell=(0, 1, 2, 3))], system="one")
    two = make_run("two", attacks=[entry("a", fell=(3,))], system="two")
    (sentence,) = differences(load_runs([one, two]))
    assert "3 stand with two alone and 0 with one alone: no difference that these samples show (p = 0.25 by" in sentence


def test_systems_on_other_samples_are_not_compared(make_run, entry):
    folders = [make_run(name, attacks=[entry("a", fell=(0,))], system=name) for name in ("one", "two", "three", "four")]
    samples = folders[1] / "results/val_samples.csv"
    samples.write_text(samples.read_text().replace("100,", "999,"))
    about = folders[2] / "results/val_attacks.json"
    about.write_text(json.dumps(json.loads(about.read_text()) | {"data": "CIFAR10"}))
    none = make_run("none", attacks=[entry("a", error="OSError: no")], system="none")
    (sentence,) = differences(load_runs([*folders, none]))
    assert "four" in sentence
    assert differences(load_runs([none, folders[0]])) == []
