import csv
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import timm
import yaml
from PIL import Image

from sparsefront.cli import study
from sparsefront.cli.command import main
from sparsefront.cli.dry_run.check import check
from sparsefront.studies import read_study, turn
from sparsefront.studies.record import begin_fit, check_same
from sparsefront.studies.separate_run import last_words
from tests.helpers.places import ROOT
from tests.helpers.whole_runs import leave_fit, leave_test

CONFIGS = ROOT / "lightning_configs"
FGSM = {"name": "fgsm", "attack": {"class_path": "FGSM", "init_args": {"eps": 0.1}}}
FROM_NATURAL = {
    "name": "transfer",
    "attack": {"class_path": "FGSM"},
    "view": {"class_path": "Transfer", "init_args": {"checkpoint": "{run_dir}/natural"}},
}
NO_BARS = {"enable_progress_bar": False, "enable_model_summary": False}
FEW = {"accelerator": "cpu", "limit_train_batches": 2, "limit_val_batches": 0, "limit_test_batches": 1, **NO_BARS}
STUDY = {
    "run_dir": "runs/s",
    "configs": [str(CONFIGS / f"{name}.yaml") for name in ("base", "data/mnist5k", "classifiers/convnet")],
    "settings": {
        "trainer": {"max_epochs": 1, **FEW},
        "data": {"batch_size": 32},
        "evaluation": {"pictures": {"n_images": 0}},
        "attacks": [FGSM],
    },
    "systems": {
        "natural": {},
        "few bits": {
            "configs": [str(CONFIGS / "frontends/bit_depth.yaml")],
            "settings": {"model": {"frontend": {"init_args": {"bits": 3}}}, "attacks+": [FROM_NATURAL]},
        },
    },
}
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.usefixtures("in_an_empty_folder")]


@pytest.fixture
def ran(monkeypatch):
    """Commands are run in this process."""
    done = []

    def run(verb, folder, arguments, shown=False):
        done.append((verb, folder.name))
        monkeypatch.setattr(sys, "argv", ["cli.py", verb, *arguments, "--run_dir", str(folder)])
        main()
        return True

    monkeypatch.setattr(turn, "separate_run", run)
    return done


@pytest.fixture
def faked(monkeypatch):
    """No command is run: each is noted and leaves a checkpoint or a result, unless its folder is in `breaking`."""
    commands, breaking = [], set()

    def run(verb, folder, arguments, shown=False):
        commands.append((verb, folder.name, arguments[-2:] == ["--ckpt_path", "last"]))
        folder.mkdir(parents=True, exist_ok=True)
        if (verb, folder.name) in breaking:
            (folder / "log.txt").write_text("$ sparsefront\nsparsefront: error: out of luck.\n(hint)\n")
            return False
        (leave_fit if verb == "fit" else leave_test)(folder)
        return True

    monkeypatch.setattr(turn, "separate_run", run)
    monkeypatch.setattr(study, "check", lambda args: None)
    monkeypatch.setattr(study, "_report", lambda study: True)
    return commands, breaking


def written(content, name="s.yaml"):
    Path(name).write_text(content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False))
    return name


def changed(**settings):
    return STUDY | {"settings": STUDY["settings"] | settings}


def config(folder):
    return yaml.safe_load(next(Path(folder).glob("version_0/config.yaml")).read_text())


def test_systems_are_fitted_tested_and_reported_under_their_names_and_none_twice(ran, capsys, monkeypatch):
    more = ["--data.val_size", "21"]
    everything = [(verb, name) for name in ("natural", "few bits") for verb in ("fit", "test")]
    assert study.main([written(STUDY), *more]) == 0
    assert ran == everything
    with Path("runs/s/table.csv").open() as file:
        rows = [(row["system"], row["attack"], row["knowledge"]) for row in csv.DictReader(file)]
    assert [row for row in rows if not row[1].startswith("worst")] == [
        ("natural", "fgsm", "white_box"),
        ("few bits", "fgsm", "white_box"),
        ("few bits", "transfer", "transfer"),
    ]
    assert "| few bits | transfer |" in Path("runs/s/table.md").read_text()
    page = Path("runs/s/report.html").read_text()
    assert "<h2>few bits</h2>" in page
    assert "BitDepth + ConvNet" in page
    assert "few bits: test ... " in capsys.readouterr().out
    used = config("runs/s/few bits")
    assert used["model"]["frontend"]["init_args"]["bits"] == 3
    assert used["trainer"]["max_epochs"] == 1  # the study's settings over its configs
    assert used["data"]["init_args"]["val_size"] == 21  # and the command line over all

    monkeypatch.setattr(study, "_report", lambda study: len(study.systems) == 2)  # pages take time to draw
    assert study.main(["s.yaml", *more]) == 0
    assert "few bits: has its results" in capsys.readouterr().out
    assert study.main([written(changed(attacks=[FGSM, {**FGSM, "name": "again"}])), *more]) == 2
    error = capsys.readouterr().err
    assert "found in runs/s/natural a test of other ones (attacks); delete runs/s/natural/version_1" in error
    assert study.main([written(changed(data={"batch_size": 16})), *more]) == 2
    assert "found in runs/s/natural a fit of other ones (data.batch_size)" in capsys.readouterr().err
    assert ran == everything


def test_settings_are_given_in_their_order_with_the_studys_folder_in_them():
    found = read_study(Path(written(STUDY)), Path("elsewhere"), ["--a", "b"])
    folder, (natural, bits) = found.folder, found.systems
    given = bits.arguments[1:-2:2]
    assert given[:3] == STUDY["configs"]
    assert json.loads(given[3]) == STUDY["settings"]
    assert given[4] == STUDY["systems"]["few bits"]["configs"][0]
    named = json.loads(given[5])["attacks+"][0]["view"]["init_args"]["checkpoint"]
    assert named == "elsewhere/natural"
    assert bits.arguments[-2:] == natural.arguments[-2:] == ["--a", "b"]
    assert bits.folder == folder / "few bits" == Path("elsewhere/few bits")
    assert [other.name for other in bits.needs] == ["natural"]


def test_an_interrupted_fit_goes_on_and_a_finished_one_is_only_tested(faked, capsys):
    commands, breaking = faked
    breaking |= {("fit", "natural")}
    systems = {"alone": None, **STUDY["systems"], "last": None}
    file = written(STUDY | {"systems": systems})
    assert study.main([file]) == 1
    finished = [("fit", "alone", False), ("test", "alone", True), ("fit", "last", False), ("test", "last", True)]
    assert commands == [*finished[:2], ("fit", "natural", False), *finished[2:]]
    error = capsys.readouterr().err
    assert "natural has no results: its fit failed; see runs/s/natural/log.txt (out of luck.)" in error
    assert "few bits has no results: it needs natural, which is not fitted" in error

    leave_fit(Path("runs/s/natural"), ended=False)  # what it had reached
    commands.clear()
    breaking ^= {("fit", "natural"), ("test", "natural")}
    assert study.main([file]) == 1
    bits = [("fit", "few bits", False), ("test", "few bits", True)]  # its fit is all that it needs of natural
    assert commands == [("fit", "natural", True), ("test", "natural", True), *bits]

    commands.clear()
    breaking.clear()
    assert study.main([file, "--only", "natural", "last"]) == 0
    assert commands == [("test", "natural", True)]


def test_a_test_that_left_results_and_broke_later_is_repeated(faked, capsys):
    """As where the analysis fails, which comes after the attacks."""
    commands, breaking = faked
    assert study.main([written(STUDY | {"systems": {"natural": None}})]) == 0
    breaking |= {("test", "natural")}
    Path("runs/s/natural/study.json").write_text(
        json.dumps(json.loads(Path("runs/s/natural/study.json").read_text()) | {"tested": False})
    )
    commands.clear()
    assert study.main(["s.yaml"]) == 1
    assert "natural has no results: its test failed" in capsys.readouterr().err
    breaking.clear()
    assert study.main(["s.yaml"]) == 0
    assert study.main(["s.yaml"]) == 0
    assert commands == [("test", "natural", True)] * 2


def test_what_follows_from_another_systems_checkpoint_is_of_its_settings_too(faked, capsys):
    assert study.main([written(STUDY)]) == 0
    other = STUDY["systems"] | {"natural": {"settings": {"seed_everything": 1}}}
    for file in Path("runs/s/natural").rglob("*.*"):
        if file.is_file():
            file.unlink()
    assert study.main([written(STUDY | {"systems": other})]) == 2
    assert "a test of other ones (those of a system that it needs)" in capsys.readouterr().err


def behind(fit=False, **settings):
    """A system that is built from another's checkpoint."""
    model = {"classifier_checkpoint": "{run_dir}/natural", **settings}
    return {"fit": fit, "settings": {"model": model}}


def test_a_system_without_a_fit_is_tested_as_it_is_built_and_not_twice(faked, capsys):
    commands, _ = faked
    natural = [("fit", "natural", False), ("test", "natural", True)]

    def studied(system):
        commands.clear()
        return study.main([written(STUDY | {"systems": {"natural": {}, "behind": system}})])

    assert studied(behind()) == 0
    assert commands == [*natural, ("test", "behind", False)]
    assert studied(behind()) == 0
    assert commands == []
    assert "behind: has its results" in capsys.readouterr().out
    assert studied(behind(class_weights=[1, 2])) == 2
    assert "found in runs/s/behind a test of other ones (model.class_weights)" in capsys.readouterr().err
    assert studied(behind(fit=True)) == 2
    assert "found in runs/s/behind a fit of other ones (fit); name another" in capsys.readouterr().err
    shutil.rmtree("runs/s/behind")
    assert studied(behind(fit=True)) == 0
    assert commands == [("fit", "behind", False), ("test", "behind", True)]
    assert studied(behind()) == 2
    assert "found in runs/s/behind a test of other ones (fit)" in capsys.readouterr().err


def test_a_test_is_checked_as_one_only_when_the_weights_it_asks_for_are_there(faked, monkeypatch):
    checked = []
    monkeypatch.setattr(study, "check", lambda args: checked.append((args[0], "classifier_checkpoint" in str(args))))
    file = written(STUDY | {"systems": {"natural": {}, "behind": behind(), "alone": {"fit": False}}})
    assert study.main([file, "--only", "natural"]) == 0
    assert study.main([file]) == 0
    assert checked == [("fit", False), ("test", True), ("test", False)]
    shutil.rmtree("runs")
    checked.clear()
    assert study.main([file]) == 0
    assert checked == [("fit", False), ("fit", False), ("test", False)]


def test_attacks_from_a_systems_own_checkpoint_are_of_its_test_alone():
    content = changed(attacks=[FGSM, FROM_NATURAL])
    natural, bits = read_study(Path(written(content))).systems

    def names(arguments):
        given = [json.loads(word) for word in arguments if word.startswith("{")]
        return [attack["name"] for layer in given for key in ("attacks", "attacks+") for attack in layer.get(key, [])]

    assert natural.needs == ()
    assert names(natural.fit_arguments) == names(natural.arguments_without(())) == ["fgsm"]
    assert names(natural.arguments) == ["fgsm", "transfer"]
    assert names(bits.fit_arguments) == names(bits.arguments) == ["fgsm", "transfer", "transfer"]
    assert names(bits.arguments_without((natural,))) == ["fgsm"]


def test_a_folder_of_another_run_is_left_alone(faked, capsys):
    Path("runs/s/natural/version_0/checkpoints").mkdir(parents=True)
    Path("runs/s/natural/version_0/checkpoints/last.ckpt").touch()
    assert study.main([written(STUDY)]) == 2
    assert "found in runs/s/natural one that is not of this study" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"setings": {}}, "`setings` is no key of `s.yaml`; did you mean settings?"),
        ({"systems": {}}, "`systems` of s.yaml must hold at least one name"),
        ({"systems": {"a": {"config": []}}}, "`config` is no key of system `a`; did you mean configs?"),
        ({"systems": {"a/b": {}}}, "must have names that can be folders beside the report, found 'a/b'"),
        ({"systems": {"table.md": {}}}, "must have names that can be folders beside the report, found 'table.md'"),
        ({"systems": {1: {}}}, "`systems` must have names that are texts, found 1; put it in quotes."),
        (
            {"systems": {"a": {"fit": "no"}}},
            "`fit` of system `a` must be true or false, found 'no'; false tests it as built.",
        ),
        ({"systems": {"a": [1]}}, "system `a` must hold configs, settings, axes, fit and test, found [1]"),
        ({"systems": {"a": {"settings": [1]}}}, "`settings` of system `a` must be settings of `sparsefront fit`"),
        ({"configs": "base.yaml"}, "`configs` of `s.yaml` must be a list of YAML files, found 'base.yaml'"),
        ({"configs": [str(CONFIGS / "bose.yaml")]}, f"bose.yaml; did you mean {CONFIGS / 'base.yaml'}"),
        ({"run_dir": 3}, "`run_dir` of s.yaml must be a folder, found 3; name one, e.g. runs/s."),
        (
            {"systems": {"bits": STUDY["systems"]["few bits"], "natural": {}}},
            "must come after those whose files they name, found bits before natural; put natural first.",
        ),
    ],
)
def test_a_file_of_another_form_is_refused_in_one_sentence(change, message, capsys, ran):
    assert study.main([written(STUDY | change)]) == 2
    assert message in capsys.readouterr().err
    assert not ran


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("systems: {a: {}, b: {}, a: {}}", "Each key of s.yaml must be given once, found `a` twice"),
        ("systems: {a: {}", "The study must be YAML, found"),
        ("- a", "The study must hold keys with their values, found list in s.yaml"),
    ],
)
def test_a_text_that_is_no_study_is_refused(text, message, capsys):
    assert study.main([written(text)]) == 2
    assert message in capsys.readouterr().err


def test_names_on_the_command_line_are_of_the_file_and_of_what_can_run(ran, capsys):
    file = written(STUDY)
    assert study.main([file, "--only", "few bit"]) == 2
    assert "found few bit; did you mean few bits?" in capsys.readouterr().err
    assert study.main([file, "--only", "few bits"]) == 2
    assert "`--only` must also name natural, which few bits needs" in capsys.readouterr().err
    assert study.main(["t.yaml"]) == 2
    assert "The study must be a YAML file, found none at t.yaml; did you mean s.yaml?" in capsys.readouterr().err
    assert not ran


def test_settings_are_checked_before_any_fit_but_for_a_checkpoint_that_is_not_there_yet(ran, capsys):
    bits = STUDY["systems"]["few bits"]
    wrong = {"name": "p", "attack": {"class_path": "PGD", "init_args": {"eps": -0.1}}}
    more = {"settings": bits["settings"] | {"attacks+": [FROM_NATURAL, wrong]}}
    assert study.main([written(STUDY | {"systems": {"natural": {}, "few bits": bits | more}})]) == 2
    error = capsys.readouterr().err
    assert "PGD: `eps` must be >= 0" in error
    assert "refused at system few bits; nothing was fitted or tested" in error
    assert not ran


def test_the_log_is_asked_for_the_last_refusal_or_its_last_line(tmp_path):
    assert last_words(tmp_path) == ""
    refused = "$ sparsefront fit\nsparsefront: error: `a` is wrong.\n(hint)\n"
    (tmp_path / "log.txt").write_text(refused)
    assert last_words(tmp_path) == "`a` is wrong."
    (tmp_path / "log.txt").write_text(f"{refused}$ sparsefront fit\nTraceback\nMemoryError\n")
    assert last_words(tmp_path) == "MemoryError"


def faces(folder, size):
    """Pictures of a person and of five others, striped and not."""
    generator = np.random.default_rng(0)
    for person, count in {"Halle_Berry": 14, **{f"Somebody_{number}": 4 for number in range(5)}}.items():
        (folder / person).mkdir(parents=True)
        for number in range(count):
            pixels = generator.integers(60, 120, (size, size, 3), dtype=np.uint8)
            pixels[:, ::4] += 80 * np.uint8(person == "Halle_Berry")
            Image.fromarray(pixels).save(folder / person / f"{number}.png")
    return str(folder)


@pytest.mark.slow
def test_two_modalities_are_learned_read_out_attacked_and_compared_in_one_study(ran, capsys, tmp_path):
    """Paper 003 in small: a front end of faces and names, a linear SVM, the attack, a variant, both tables."""
    layers = [{"n_atoms": 8, "size": 8, "stride": 4, "lmbda": 0.5}, {"n_atoms": 10, "lmbda": 0.1}]
    names = {"shape": [1, 16, 128], "layers": [{"n_atoms": 6, "size": 16, "stride": 8, "lmbda": 0.5}]}
    rough = {"learning": {"n_iterations": 2}, "solver": {"tolerance": 0.1}}
    dsc = {"class_path": "DSC", "init_args": {"output": "code", "layers": layers, "second": names, **rough}}
    pgd = {"name": "pgd", "attack": {"class_path": "PGD", "init_args": {"eps": "8/255", "steps": 1}}}
    data = {
        "root": faces(tmp_path / "faces", 16),
        "image_size": 16,
        "people": {"holdout": 4},
        "val_size": 0,
        "batch_size": 16,
    }
    last = "{run_dir}/dsc"
    taken = {"frontend_checkpoint": last, "classifier_checkpoint": last}
    content = {
        "run_dir": "runs/f",
        "settings": {
            "trainer": {"accelerator": "cpu", "limit_val_batches": 0, **NO_BARS},
            "data": {"class_path": "sparsefront.data.FaceIdentification", "init_args": data},
            "model": {"frontend": dsc, "classifier": {"class_path": "sparsefront.classifiers.LinearSVM"}},
            "attacks": [pgd],
            "analysis": {"variants": [{"name": "low_pass", "attack": {"class_path": "GaussianBlurControl"}}]},
        },
        "systems": {
            "dsc": {},
            "again": {"fit": False, "settings": {"model": taken}},
        },
    }
    assert study.main([written(content)]) == 0
    assert ran == [("fit", "dsc"), ("test", "dsc"), ("test", "again")]
    out = capsys.readouterr().out
    table = Path("runs/f/table.md").read_text()
    for text in (out, table):
        assert "Accuracy on the variants (paper 003, Figure 5)" in text
        assert "Representation distance (paper 003, Table 1)" in text
    assert "| dsc | pgd |" in table
    with Path("runs/f/table.csv").open() as file:
        rows = [list(row.values())[1:] for row in csv.DictReader(file) if row["attack"] == "pgd"]
    assert len(rows) == 2
    assert "DSC + LinearSVM" in Path("runs/f/report.html").read_text()


STUDIES = sorted(CONFIGS.glob("studies/*.yaml"))


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_study_is_read_and_its_systems_come_after_those_they_need(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    found = read_study(path)
    folder, systems = found.folder, found.systems
    assert folder.name == {"mnist5k": "mnist5k_study"}.get(path.stem, path.stem)
    assert not any("{run_dir}" in word for system in systems for word in system.arguments)
    assert all(system.needs for system in systems if not system.fit)


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=pytest.mark.slow if path.stem.startswith("faces") else ()) for path in STUDIES],
    ids=lambda path: path.stem,
)
def test_every_study_is_accepted(path, monkeypatch, tmp_path):
    more = []
    if path.stem.startswith("faces"):  # without the pictures, and without networks that take long to build or to load
        more = ["--data.root", faces(tmp_path / "faces", 2), "--data.people.holdout", "2", "--data.val_size", "2"]
        build = timm.create_model
        monkeypatch.setattr(timm, "create_model", lambda name, pretrained, **kept: build("test_resnet", **kept))
    monkeypatch.chdir(ROOT)
    for system in read_study(path, tmp_path / "runs", more).systems:
        check(["fit", *system.arguments_without(system.needs), "--run_dir", str(system.folder)])


def test_settings_are_compared_as_they_were_given(tmp_path, faked):
    odd = {"model": {"classifier": {"dict_kwargs": {"note": "two  blanks\nand \u202e more"}}}}
    file = tmp_path / "odd.yaml"
    file.write_text(yaml.safe_dump(STUDY | {"systems": {"one": {"settings": odd}}}))
    (system,) = read_study(file, tmp_path / "runs", []).systems
    begin_fit(system)
    (system.folder / "checkpoints").mkdir(parents=True)
    (system.folder / "version_0/checkpoints").mkdir(parents=True)
    (system.folder / "version_0/checkpoints/last.ckpt").touch()
    check_same(system)


def test_a_damaged_record_of_a_study_is_a_sentence(tmp_path, faked, capsys):
    file = tmp_path / "s.yaml"
    file.write_text(yaml.safe_dump(STUDY, sort_keys=False))
    (tmp_path / "runs/natural").mkdir(parents=True)
    (tmp_path / "runs/natural/study.json").write_text("[" * 10000)
    assert study.main([str(file), "--run_dir", str(tmp_path / "runs")]) == 2
    said = capsys.readouterr().err
    assert "study.json must be JSON" in said
    assert said.count("\n") == 1
