"""What is said of samples that showed signs: counted by hand on ten samples, of which the last is wrong."""

import csv

from sparsefront.report.html import render
from sparsefront.report.remedies import remedies
from sparsefront.report.sentences import headline
from sparsefront.results.run import Run


def of_signs(make_run, attacks, met, **signs):
    """A run in which some attacks met some samples alone, and some samples showed some signs."""
    home = make_run(attacks=attacks)
    path = home / "results/val_samples.csv"
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for number, row in enumerate(rows):
        for name, some in met.items():
            if number not in some:
                row |= {f"{name}/{key}": "" for key in ("linf", "l2", "l1")} | {f"{name}/success": "0"}
        row |= {f"sign:{sign}": "1" if number in showing else "0" for sign, showing in signs.items()}
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return Run.load(home)


def test_what_was_tried_on_flagged_samples_and_what_is_left_is_one_sentence(make_run, entry):
    attacks = [
        entry("p.apgd", fell=(0,)),
        entry("p.rescaled", fell=(2,)) | {"where": ["vanishing"]},
        entry("p.averaged", fell=()) | {"where": ["rippled"]},
        entry("p.smallest", fell=(5,)),
        entry("p.search", fell=(1, 3, 5)) | {"asks_only": True},  # which the row of a chain carries on
    ]
    met = {"p.rescaled": (2, 4), "p.averaged": (), "p.search": (1, 3, 4, 6, 7)}
    run = of_signs(make_run, attacks, met, vanishing=(2, 4), rippled=(), loss_does_not_rise=(3, 4, 5, 6, 9))
    sentence = remedies(run)
    # Flagged: 2, 3, 4, 5 and 6, for 9 was wrong from the start. 2 fell to a remedy, 3 to the search, 5 to another.
    assert sentence == (
        "Caution: signs of hidden gradients (vanishing and loss_does_not_rise) on 5 of 9 samples: p.rescaled and "
        "p.search brought down 2 of these, other attacks 1, and 2 still stand, which an attack that was not tried may "
        "bring down."
    )
    assert headline(run).endswith(f". {sentence}")
    assert f'<p class="headline caution">{headline(run)}' in render([run])


def test_where_all_flagged_samples_fell_it_is_no_caution(make_run, entry):
    attacks = [entry("remedy", fell=(2, 3)) | {"where": ["rippled"]}]
    sentence = remedies(of_signs(make_run, attacks, {"remedy": (2, 3)}, rippled=(2, 3)))
    assert sentence == (
        "Signs of hidden gradients (rippled) on 2 of 9 samples: remedy brought down 2 of these, and none still stands."
    )


def test_a_remedy_that_failed_was_not_tried(make_run, entry):
    attacks = [entry("white"), entry("remedy", error="OSError: no") | {"where": ["rippled"]}]
    sentence = remedies(of_signs(make_run, attacks, {}, rippled=(2, 3)))
    assert "(rippled) on 2 of 9 samples: no remedy for it ran to its end, and 2 still stand" in sentence


def test_without_signs_nothing_is_said(make_run, entry):
    attacks = [entry("white"), entry("remedy") | {"where": ["rippled"]}]
    assert remedies(of_signs(make_run, attacks, {"remedy": ()}, rippled=(9,))) == ""
    assert remedies(Run.load(make_run(attacks=attacks))) == ""
