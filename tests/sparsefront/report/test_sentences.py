import json

from sparsefront.report.sentences import cautions, headline, over_draws
from sparsefront.results.run import Run, load_runs


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


def _with(folder, **about):
    file = folder / "results/val_attacks.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | about))
    return Run.load(folder)


def test_a_sign_of_masked_gradients_that_was_raised_is_a_caution(make_run):
    sign = {"flag": "zero_gradients", "adversary": "white box, exact", "raised": True, "sentence": "9 are zero."}
    run = _with(make_run(), diagnostics=[sign, sign | {"raised": False, "sentence": "none is zero."}])
    assert cautions([run]) == ["TopT + ConvNet, white box, exact: 9 are zero."]


def test_a_cascade_and_a_time_budget_are_said(make_run, entry):
    cascade, budget = cautions(
        [_with(make_run(attacks=[entry("a")]), cascade=True, time_budget=60.0, time_budget_reached=True)]
    )
    assert "met only the samples that those above it left standing" in cascade
    assert "would have begun after 60 seconds were left out, and it is over 10 samples" in budget


def test_a_time_budget_that_was_not_reached_is_not_said(make_run, entry):
    run = _with(make_run(attacks=[entry("a")]), time_budget=60.0, time_budget_reached=False)
    assert cautions([run]) == []


def test_a_model_that_returned_nan_is_said(make_run, entry):
    folder = make_run(attacks=[entry("a", error="the model returned NaN for 2 of 10 clean images")])
    samples = folder / "results/val_samples.csv"
    samples.write_text(samples.read_text().replace("100,0,0,", "100,0,-1,").replace("101,1,1,", "101,1,-1,"))
    assert any("returned NaN for 2 of 10 clean images" in sentence for sentence in cautions([Run.load(folder)]))


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


def test_rows_of_a_chain_say_what_was_left(make_run, entry):
    folder = make_run(attacks=[entry("standard.a") | {"chain": "standard"}, entry("b")])
    (sentence,) = cautions([Run.load(folder)])
    assert "standard is a chain: each of its attacks met only" in sentence


def test_a_model_that_draws_needs_an_attack_that_averages_over_draws(make_run, entry):
    plain, averaging = entry("plain"), entry("eot")
    averaging["attack"]["init_args"]["eot_iter"] = 10
    (sentence,) = cautions([_with(make_run("one", attacks=[plain]), randomised=True)])
    assert "no attack averaged over its draws" in sentence
    assert cautions([_with(make_run("two", attacks=[plain, averaging]), randomised=True)]) == []


def test_an_attack_that_does_nothing_to_an_undefended_system_says_nothing(make_run, entry):
    natural = _with(
        make_run("natural", attacks=[entry("idle", fell=(1, 2)), entry("pgd", fell=(1, 2, 3))], system="Natural"),
        undefended=True,
    )
    defended = Run.load(make_run("defended", attacks=[entry("idle"), entry("pgd", fell=(0, 1, 2, 3))]))
    (sentence,) = cautions([natural, defended])
    assert sentence.startswith("idle fools 2 of 9 samples of Natural, which nothing defends: its rows say nothing")
    assert cautions([defended]) == []


def test_an_attack_that_met_few_samples_is_no_idle_one(make_run, entry):
    idle = entry("all") | {"chain": "c"}
    folder = make_run(attacks=[idle, entry("few") | {"chain": "c"}, entry("sign") | {"where": ["rippled"]}])
    samples = folder / "results/val_samples.csv"
    header, *lines = samples.read_text().splitlines()
    cells = [line.split(",") for line in lines]
    for row in cells[2:]:
        row[10:13] = row[15:18] = ["", "", ""]
    samples.write_text("\n".join([header, *map(",".join, cells)]) + "\n")
    idle = [sentence for sentence in cautions([_with(folder, undefended=True)]) if "fools" in sentence]
    assert len(idle) == 1
    assert idle[0].startswith("all fools 0 of 9 samples of TopT + ConvNet, which nothing defends")


def test_accuracy_over_draws_takes_each_samples_worst_attack(make_run, entry):
    folder = make_run(attacks=[entry("a"), entry("b")])
    samples = folder / "results/val_samples.csv"
    header, *lines = samples.read_text().splitlines()
    shares = [(1.0, 0.5, 0.75), *[(1.0, 1.0, 1.0)] * 8, (0.0, "", "")]
    added = [f"{line},{','.join(map(str, row))}" for line, row in zip(lines, shares, strict=True)]
    samples.write_text("\n".join([f"{header},clean_draws,a/draws,b/draws", *added]) + "\n")
    assert over_draws(Run.load(folder)) is None
    sentence = over_draws(_with(folder, draws=4))
    assert "over 4 draws" in sentence
    # 9 of 10 right in every draw; in the worst case one of them in every other draw: 1.96 sqrt(0.25 * 4 / 3) / 10
    assert "90.0 % ± 0.0 of them clean, and on 85.0 % ± 11.3 of what" in sentence
