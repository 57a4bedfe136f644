import json

import numpy as np
import pytest

from sparsefront.report.row import rows_of
from sparsefront.report.sentences import headline
from sparsefront.report.table import HEADER, cells
from sparsefront.results.run import Run


def _rows(folder):
    return {row.attack: row for row in rows_of(Run.load(folder))}


def test_counts_are_those_made_by_hand(make_run):
    rows = _rows(make_run())
    pgd = rows["pgd"]
    assert (pgd.clean.hits, pgd.clean.total) == (9, 10)
    assert (pgd.robust.hits, pgd.robust.total) == (7, 10)
    assert (pgd.success.hits, pgd.success.total) == (2, 9)
    assert (pgd.adversary, pgd.seconds, pgd.n) == ("white box, smooth", 1.5, 10)
    assert rows["pgd_gray"].robust.hits == 6


def test_sizes_are_means_over_the_successful_samples(make_run):
    row = _rows(make_run())["pgd_gray"]  # samples 1, 2 and 3 fell
    assert row.linf == pytest.approx((0.02 + 0.03 + 0.04) / 3)
    assert row.l2 == pytest.approx(0.3)


def test_worst_case_is_taken_sample_by_sample(make_run):
    rows = _rows(make_run())
    assert list(rows) == ["pgd", "fgsm", "pgd_gray", "worst white box", "worst case"]
    assert rows["worst white box"].robust.hits == 7  # 0 and 1 fell, 9 was wrong
    assert rows["worst case"].robust.hits == 5  # 0, 1, 2 and 3 fell, 9 was wrong
    assert (rows["worst case"].success.hits, rows["worst case"].success.total) == (4, 9)
    assert rows["worst case"].seconds == pytest.approx(4.5)
    assert (rows["worst case"].linf, rows["worst case"].is_worst) == (None, True)


def test_one_kind_of_adversary_has_no_worst_case_of_its_own(make_run, entry):
    assert list(_rows(make_run(attacks=[entry("a"), entry("b")]))) == ["a", "b", "worst case"]


def test_each_ball_has_a_worst_case_over_all_that_was_found_inside_it(make_run, entry):
    attacks = [
        entry("linf", fell=(0, 1), eps=0.035), entry("l2", fell=(4, 5), eps="0.65", norm="L2"),
        entry("any_size", fell=(2, 3, 8)) | {"in_worst_case": False},
        entry("noise", fell=(7,)) | {"in_worst_case": False, "knowledge": "control"},
    ]  # fmt: skip
    rows = _rows(make_run(attacks=attacks))
    assert list(rows) == ["linf", "l2", "any_size", "noise", "worst Linf 0.035", "worst L2 0.65", "worst case"]
    linf, l2 = rows["worst Linf 0.035"], rows["worst L2 0.65"]
    # Sample i moved by 0.01 (i + 1) in Linf and by 0.1 (i + 1) in L2; sample 9 was wrong.
    assert (linf.robust.hits, linf.adversary, linf.is_worst) == (6, "over 3 attacks", True)
    assert l2.robust.hits == 3  # 0, 1, 2, 3, 4 and 5 fell


@pytest.mark.parametrize("blank", [True, False])
def test_failed_attack_is_never_counted_as_robust(make_run, entry, blank):
    folder = make_run(attacks=[entry("pgd", fell=(0,)), entry("broken", error="RuntimeError: no")], blank_failed=blank)
    rows = _rows(folder)
    assert (rows["broken"].robust, rows["broken"].success, rows["broken"].error) == (None, None, "RuntimeError: no")
    assert rows["worst case"].robust.hits == 8
    assert rows["worst case"].adversary == "over 1 attack"


def test_controls_and_attacks_of_any_size_do_not_enter_the_worst_case(make_run, entry):
    aside = {"in_worst_case": False}
    attacks = [entry("pgd", fell=(0,)), entry("df", fell=range(9)) | aside, entry("low_pass", fell=(3,)) | aside]
    folder = make_run(attacks=attacks)
    rows = _rows(folder)
    assert (rows["worst case"].robust.hits, rows["worst case"].adversary) == (8, "over 1 attack")
    assert [row.in_worst_case for row in rows.values()] == [True, False, False, True]
    assert headline(Run.load(folder)).startswith("TopT + ConvNet: 90.0 % clean, 80.0 % worst case under 1 attack (n")
    assert [cells(row)[HEADER.index("robust")] for row in rows.values()] == ["80.0", "(0.0)", "(80.0)", "80.0"]
    alone = _rows(make_run("alone", attacks=attacks[1:]))["worst case"]
    assert (alone.robust, alone.error) == (None, "no attack that enters the worst case ran to its end")


def test_what_a_failed_attack_had_brought_down_enters_the_worst_case(make_run, entry):
    folder = make_run(attacks=[entry("pgd", fell=(0,)), entry("late", error="ValueError: late")], blank_failed=False)
    samples = folder / "results/val_samples.csv"
    header, *lines = samples.read_text().splitlines()
    fell = [int(number in (0, 5)) for number in range(10)]
    text = [f"{header},fell", *(f"{line},{number}" for line, number in zip(lines, fell, strict=True))]
    samples.write_text("\n".join(text) + "\n")
    rows = _rows(folder)
    assert (rows["pgd"].robust.hits, rows["worst case"].robust.hits) == (8, 7)


def test_worst_case_over_nothing_but_failures_is_no_number(make_run, entry):
    worst = _rows(make_run(attacks=[entry("broken", error="RuntimeError: no")]))["worst case"]
    assert (worst.robust, worst.error) == (None, "no attack ran to its end")


def test_targeted_success_and_robustness_are_counted_apart(make_run, entry):
    folder = make_run(attacks=[entry("aimed", fell=(0, 1))])
    samples = folder / "results/val_samples.csv"
    # Sample 1 was led astray, but not to its target.
    samples.write_text(samples.read_text().replace("101,1,1,2,1,", "101,1,1,2,0,"))
    row = _rows(folder)["aimed"]
    assert (row.robust.hits, row.success.hits) == (7, 1)


def test_a_wrong_sample_that_an_attack_happens_to_mend_is_not_robust(make_run, entry):
    folder = make_run(attacks=[entry("pgd", fell=(0,))])
    samples = folder / "results/val_samples.csv"
    text = samples.read_text()
    assert "109,9,0,0,0," in text
    samples.write_text(text.replace("109,9,0,0,0,", "109,9,0,9,0,"))
    rows = _rows(folder)
    assert (rows["pgd"].robust.hits, rows["worst case"].robust.hits) == (8, 8)


def test_worst_case_agrees_with_a_loop_over_random_outcomes(make_run, entry):
    rng = np.random.default_rng(1)
    attacks = [entry(f"a{i}", fell=np.flatnonzero(rng.random(9) < 0.3).tolist()) for i in range(4)]
    fell = set().union(*(set(attack["fell"]) for attack in attacks))
    assert _rows(make_run(attacks=attacks))["worst case"].robust.hits == 9 - len(fell)


@pytest.mark.parametrize("cascade", [False, True])
def test_a_chain_over_several_balls_has_no_worst_case_of_each(make_run, entry, cascade):
    """What an L2 attack brought down was never looked at in the Linf ball."""
    both = [entry("wide", fell=(1, 2), norm="L2", eps="2"), entry("narrow", norm="Linf")]
    names = [row.attack for row in rows_of(Run.load(make_run("apart", attacks=both)))]
    assert "worst L2 2" in names
    chained = [one if cascade else one | {"chain": "a"} for one in both]
    folder = make_run("chained", attacks=chained)
    about = folder / "results/val_attacks.json"
    about.write_text(json.dumps(json.loads(about.read_text()) | {"cascade": cascade}))
    assert not [row.attack for row in rows_of(Run.load(folder)) if row.attack.startswith("worst L")]
