"""Whether systems differ: counted by hand on ten samples."""

import json
from dataclasses import replace

import pytest

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


def over_seeds(make_run, entry, **fell):
    """Runs of systems over seeds, by the samples that fell with each seed; a system without seeds has one run."""
    runs = []
    for system, by_seed in fell.items():
        for seed, some in by_seed.items():
            name = f"{system}, bits=3,seed={seed}" if seed is not None else system
            folder = make_run(name, attacks=[entry("a", fell=some)], system=system)
            (run,) = load_runs({name: folder})
            runs.append(run if seed is None else replace(run, seedless_name=f"{system}, bits=3"))
    return runs


def test_seeds_of_one_system_are_not_compared_with_each_other_but_with_the_same_seed_of_another(make_run, entry):
    weak = {0: range(8), 1: range(9), 2: range(7)}
    runs = over_seeds(make_run, entry, weak=weak, firm={1: (), 0: (), 3: range(8)}, other={0: range(8), 1: ()})
    firm, other = differences(runs)
    assert firm == (
        "In the worst case on the same 10 samples stand with firm, bits=3 alone and with weak, bits=3 alone 9 and 0 "
        "with seed=1 (p = 0.0039) and 8 and 0 with seed=0 (p = 0.0078): a difference with every seed, by McNemar's "
        "exact test."
    )
    assert "alone 0 and 0 with seed=0 (p = 1) and 9 and 0 with seed=1 (p = 0.0039): no difference that these" in other
    assert differences(runs[:3]) == []


@pytest.mark.parametrize("seedless_first", [True, False])
def test_a_system_of_one_run_is_compared_with_each_seed_of_another(make_run, entry, seedless_first):
    pair = {"one": {None: ()}, "many": {0: range(8), 1: range(7)}}
    (sentence,) = differences(over_seeds(make_run, entry, **(pair if seedless_first else dict(reversed(pair.items())))))
    counts = ("0 and 8", "0 and 7") if seedless_first else ("8 and 0", "7 and 0")
    for seed, count in enumerate(counts):
        assert f"{count} with seed={seed} (p = 0.0" in sentence


def test_seeds_that_differ_in_opposite_directions_show_no_difference(make_run, entry):
    runs = over_seeds(make_run, entry, one={0: range(8), 1: ()}, two={0: (), 1: range(8)})
    (sentence,) = differences(runs)
    assert "no difference that these samples show with every seed" in sentence


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
