import json

import pytest

from sparsefront.report.run import Run, load_runs
from sparsefront.report.sentences import cautions, headline, masked_gradients


def test_headline_says_clean_worst_case_attacks_and_n(make_run):
    sentence = headline(Run.load(make_run()))
    assert sentence.startswith(
        "TopT + ConvNet: 90.0 % clean, 50.0 % worst case under 3 attacks (n = 10); 95 % interval"
    )
    assert "23.7 to 76.3 %" in sentence  # Wilson for 5 of 10


def test_headline_owns_up_to_failures(make_run, entry):
    some = make_run("some", attacks=[entry("pgd"), entry("bad", error="OSError: no")])
    none = make_run("none", attacks=[entry("bad", error="OSError: no")])
    assert "under 1 attack (1 more failed; n = 10)" in headline(Run.load(some))
    assert headline(Run.load(none)).endswith("; no attack ran to its end.")
    assert "bad failed" in cautions([Run.load(some)])[0]


def test_gray_box_that_beats_the_white_box_warns_of_masked_gradients(make_run):
    (sentence,) = masked_gradients(Run.load(make_run()))  # white box: 0, 1; gray box: 1, 2, 3
    assert "at Linf 8/255 the white-box attacks fooled 2 of 9 samples" in sentence
    assert "pgd_gray (gray box), which knows less, fooled 3" in sentence
    assert "gradients may be masked" in sentence


@pytest.mark.parametrize(
    "gray",
    [
        {"fell": (1, 2)},  # no more than the white box
        {"fell": (1, 2, 3), "eps": "16/255"},
        {"fell": (1, 2, 3), "norm": "L2"},
        {"error": "OSError: no"},
    ],
)
def test_no_warning_where_nothing_is_suspicious(make_run, entry, gray):
    attacks = [entry("a", fell=(0,)), entry("b", fell=(1,)), entry("c", "gray_box", **gray)]
    assert masked_gradients(Run.load(make_run(attacks=attacks))) == []


def test_transfer_counts_as_knowing_less_and_eps_may_be_a_number(make_run, entry):
    attacks = [entry("a", fell=(0,)), entry("c", "transfer", fell=(1, 2), eps=8 / 255)]
    assert "c (transfer)" in masked_gradients(Run.load(make_run(attacks=attacks)))[0]


def test_lack_of_a_white_box_is_said(make_run, entry):
    (sentence,) = cautions([Run.load(make_run(attacks=[entry("c", "gray_box")]))])
    assert "no white-box attack" in sentence


def test_unlike_samples_or_data_are_said(make_run, entry):
    folders = [make_run(name, attacks=[entry("a")], system=name) for name in ("one", "two", "three", "four")]
    samples = folders[1] / "results/val_samples.csv"
    samples.write_text(samples.read_text().replace("100,", "999,"))
    about = folders[2] / "results/val_attacks.json"
    about.write_text(json.dumps(json.loads(about.read_text()) | {"data": "CIFAR10"}))
    same_samples, other_data = cautions(load_runs(folders))
    assert "two and one were not evaluated on the same samples" in same_samples
    assert "three was evaluated on CIFAR10" in other_data


def test_a_single_step_alone_is_no_evidence(make_run, entry):
    single = entry("fgsm")
    single["attack"]["class_path"] = "FGSM"
    (sentence,) = cautions([Run.load(make_run(attacks=[single]))])
    assert "single step" in sentence
