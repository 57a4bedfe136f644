"""Whatever lies in a results folder, there is a table or one sentence that names the file."""

import copy
import csv
import io
import json
import re
import unicodedata
from contextlib import redirect_stderr, redirect_stdout
from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from sparsefront.cli import report as cli
from tests.helpers.html_page import Page
from tests.helpers.made_up_record import a_record

HOSTILE_TEXTS = [
    "\x1b[2J\x1b[31mred", "\x9b31m", "a\x07b\x00c", "two\nlines", "car\rriage", "\u202egnirts", "\u2066isolated",
    "\u200f", "<img src=x onerror=alert(1)>", "</td></tr><script>alert(1)</script>", "a|b|c",
    "[x](javascript:alert(1))", "`", "**b**", "$x^2$", "\\", "&lt;b&gt;", "{{ 7 * 7 }}", "\ud800", "\u2028", "אבג",
    "漢字", "=1+1", "--><svg onload=x>", "'\"", "x" * 3000, "",
]  # fmt: skip
HOSTILE_VALUES = [
    None, True, False, 0, -1, 1.5, 1e308, 10**400, float("nan"), float("inf"), "1/0", "8/0", "1e999999999", [], {},
    [[]], {"a": {}}, [None], {"class_path": 3}, "Linf", *HOSTILE_TEXTS,
]  # fmt: skip


def places(value, way=()):
    """The ways to all values inside one, itself first."""
    yield way
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from places(part, (*way, key))


def changed(value, way, change):
    """A copy in which what lies at the end of `way` went through `change`, which may say that it is left out."""
    if not way:
        return change(value)
    found = copy.deepcopy(value)
    inner = found
    for key in way[:-1]:
        inner = inner[key]
    inner[way[-1]] = change(inner.get(way[-1]) if isinstance(inner, dict) else inner[way[-1]])
    if inner[way[-1]] is KeyError:
        del inner[way[-1]]
    return found


def damaged_json(rng, text):
    """The text of a JSON file after some change."""
    found = json.loads(text)
    for _ in range(rng.randint(1, 3)):
        ways = list(places(found))
        # What few would look at is as likely as the many settings.
        way = rng.choice(ways if rng.random() < 0.5 else [way for way in ways if len(way) < 3])
        if rng.randint(0, 5) == 0 and way:
            found = changed(found, way, lambda _: KeyError)
        else:
            value = rng.choice(HOSTILE_VALUES)
            found = changed(found, way, lambda _, value=value: value)
    return json.dumps(found)


def broken_text(rng, text):
    """Bytes that were cut, exchanged or never text."""
    data = text.encode()
    kind = rng.choice(["cut", "byte", "binary", "empty", "deep", "digits", "twice"])
    if kind == "cut":
        return data[: rng.randint(0, len(data))]
    if kind == "byte":
        place = rng.randint(0, len(data) - 1)
        return data[:place] + bytes([rng.randint(0, 255)]) + data[place + 1 :]
    return {
        "binary": b"\x89PNG\r\n\x1a\n\x00\xff\xfe" * 20, "empty": b"", "deep": b"[" * 100000, "digits": b"1" * 5000,
        "twice": data + data,
    }[kind]  # fmt: skip


def damaged_csv(rng, text):
    """A CSV whose columns, rows or cells are others."""
    rows = list(csv.reader(io.StringIO(text)))
    kind = rng.choice(["column", "ragged", "cell", "name", "twice", "rows", "big"])
    column, row = rng.randint(0, len(rows[0]) - 1), rng.randint(1, len(rows) - 1)
    if kind == "column":
        rows = [line[:column] + line[column + 1 :] for line in rows]
    if kind == "ragged":
        rows[row] = rows[row][: rng.randint(0, len(rows[0]))] + ["1"] * rng.randint(0, 2)
    if kind == "cell":
        odd = ["nan", "inf", "-inf", "1e308", "-7", "0.5", "1e400", "x", "\x00", "1" * 400, *HOSTILE_TEXTS]
        rows[row][column] = rng.choice(odd).replace("\ud800", "")
    if kind == "name":
        rows[0][column] = rng.choice(HOSTILE_TEXTS).replace("\ud800", "")
    if kind == "twice":
        rows[0][column] = rows[0][0]
    if kind == "rows":
        rows = rows[:row] if rng.random() < 0.5 else [*rows, rows[row]]
    if kind == "big":
        rows[row][column] = "9" * 200000
    file = io.StringIO()
    csv.writer(file).writerows(rows)
    return file.getvalue()


def damaged_arrays(rng, arrays):
    """Arrays of which one is gone or of another kind."""
    name = rng.choice(sorted(arrays))
    others = [
        np.zeros(0), np.zeros((2, 2)), np.array("text"), np.full(arrays[name].shape, np.nan), np.zeros((0, 1, 6, 6)),
        np.array(5), arrays[name][..., None], arrays[name][:1], arrays[name].astype(complex),
        np.full(arrays[name].shape, 1e300),
    ]  # fmt: skip
    found = dict(arrays)
    if rng.random() < 0.5:
        found[name] = rng.choice(others)
    else:
        del found[name]
    return found


@pytest.fixture(scope="module")
def folder(make_shared_run, entry):
    attacks = [
        entry("pgd", fell=(0, 1)), entry("l2", fell=(2,), eps=0.5, norm="L2"), entry("gray", "gray_box", fell=(1, 2)),
        entry("none", fell=()) | {"forwards": 30, "backwards": 20, "attacked": 9}, entry("bad", error="OSError: no"),
    ]  # fmt: skip
    attacks[3]["view"] = {"class_path": "Neighbourhood", "init_args": {"view": attacks[0]["view"], "radius": 0.1}}
    home = make_shared_run("whole", attacks=attacks)
    a_record().write(home / "results", "val")
    return home


JSON = ("results/val_attacks.json", "results/val_representations.json")
CSV = ("results/val_samples.csv", "metrics.csv")
NPZ = ("results/val_images.npz", "results/val_representations.npz")


@pytest.fixture(scope="module")
def originals(folder):
    return {name: (folder / name).read_bytes() for name in (*JSON, *CSV, *NPZ, "config.yaml")}


def reported(folder, out):
    """Exit code, what was printed, what was said, and the Markdown table."""
    printed, said = io.StringIO(), io.StringIO()
    with redirect_stdout(printed), redirect_stderr(said):
        code = cli.main([str(folder), "--out", str(out / "r.html"), "--table", str(out / "t.md")])
    return code, printed.getvalue(), said.getvalue(), (out / "t.md").read_text(encoding="utf-8") if code == 0 else ""


def check_outcome(outcome, path):
    code, printed, said, table = outcome
    assert code in (0, 1)
    assert not unseen(printed.replace("\n", "") + said.replace("\n", "") + table.replace("\n", ""))
    if code == 1:
        assert said.count("\n") == 1
        assert str(path) in said or path.name in said
        assert len(said) < 2000
    else:
        assert "worst case" in printed
        check_markdown(table)


def unseen(text):
    """Controls, overrides of the direction, and what else changes a terminal without being seen."""
    return {letter for letter in text if unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp")}


def check_markdown(table):
    lines = [line for line in table.splitlines() if line.startswith("|")]
    first = next(position for position, line in enumerate(lines) if not line.startswith("| system"))
    heads = [position for position, line in enumerate(lines) if re.match(r"\| (---|:?-)", line)]
    assert first
    assert heads
    for start, end in zip(heads, [*(position - 1 for position in heads[1:]), len(lines)], strict=True):
        bars = {len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in lines[start - 1 : end]}
        assert len(bars) == 1
    assert not re.search(r"<\s*/?\s*[a-zA-Z!]", table)
    assert "](" not in table.replace(r"\](", "")


def check_page(text):
    page = Page(text)
    assert not {"script", "img", "iframe", "object", "link"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert not [value for _, value in page.attributes if value.startswith("javascript:")]


def settings_of(examples):
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        database=None,
        phases=(Phase.generate,),  # a seed says all there is, and has no smaller one
    )


def damage(rng, name, original):
    """The bytes of a file after some change."""
    if name in NPZ:
        if rng.random() < 0.5:
            return rng.choice([original[:-30], b"", b"\x00" * 99, original[:400] + original[500:]])
        file = io.BytesIO()
        with np.load(io.BytesIO(original)) as arrays:
            np.savez(file, **damaged_arrays(rng, dict(arrays)))
        return file.getvalue()
    kinds = [broken_text]
    kinds += [damaged_json] * 3 if name in JSON else []
    kinds += [damaged_csv] * 3 if name in CSV else []
    damaged = rng.choice(kinds)(rng, original.decode())
    return damaged if isinstance(damaged, bytes) else damaged.encode()


def check_damaged(folder, originals, out, seed, optional=()):
    """Report a folder with a damaged file; the optional files are not there unless the damage is in one of them."""
    rng = Random(seed)
    name = rng.choice([*JSON, JSON[0], *CSV, *NPZ, "config.yaml"])
    path = folder / name
    left_out = () if name in optional else optional
    try:
        for other in left_out:
            (folder / other).unlink()
        path.write_bytes(damage(rng, name, originals[name]))
        outcome = reported(folder, out)
    finally:
        for changed_file in (name, *left_out):
            (folder / changed_file).write_bytes(originals[changed_file])
    check_outcome(outcome, path)
    if outcome[0] == 0:
        check_page((out / "r.html").read_text(encoding="utf-8"))


@pytest.fixture
def undrawn(monkeypatch):
    """Figures without their drawing, which takes a hundred times what all the rest does."""
    monkeypatch.setattr("sparsefront.report.html.inline_svg", lambda figure, name, alt: f"<svg id='{name}'></svg>")


@settings_of(60)
@given(seed=st.integers(0, 2**32))
def test_a_damaged_folder_ends_in_a_table_or_in_one_sentence(folder, originals, tmp_path_factory, undrawn, seed):
    representations = (JSON[1], NPZ[1])  # whose figures take most of the time, and are made of these files alone
    check_damaged(folder, originals, tmp_path_factory.getbasetemp(), seed, optional=representations)


@pytest.mark.slow
@settings_of(300)
@given(seed=st.integers(0, 2**32))
def test_a_damaged_folder_ends_in_a_whole_page_or_in_one_sentence(folder, originals, tmp_path_factory, seed):
    check_damaged(folder, originals, tmp_path_factory.getbasetemp(), seed)


def everywhere(about, text):
    """The record with a text in every place that has one."""
    if isinstance(about, dict):
        return {
            key: value if key in ("knowledge", "class_path", "norm", "eps", "backward") else everywhere(value, text)
            for key, value in about.items()
        }
    return (
        [everywhere(one, text) for one in about]
        if isinstance(about, list)
        else text
        if about and isinstance(about, str)
        else about
    )


def test_hostile_names_stay_names_wherever_they_stand(make_run, entry, tmp_path):
    hostile = [text for text in HOSTILE_TEXTS if text.strip()]
    attacks = [
        entry(f"{number} {text}", fell=(number % 9,)) for number, text in enumerate(hostile) if "\ud800" not in text
    ]
    attacks.append(entry("bad", error="Error: " + " ".join(hostile)))
    home = make_run(attacks=attacks)
    path = home / "results/val_attacks.json"
    about = json.loads(path.read_text())
    names = about.pop("attacks")
    path.write_text(json.dumps(everywhere(about, " ".join(hostile)) | {"attacks": names}))
    for name in ("metrics.csv", "config.yaml"):
        (home / name).write_text(
            (home / name).read_text().replace("train/loss", "\x1b[2J<b>/loss")
            + ("\x1b\u202e" if name != "metrics.csv" else "")
        )
    outcome = reported(home, tmp_path)
    assert outcome[0] == 0
    check_outcome(outcome, path)
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    check_page(page)
    assert not unseen(page.replace("\n", ""))
    assert {attack["name"] for attack in names} != set(outcome[1].split())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("attacks[0].name", 3), ("attacks[1].seconds", "1"), ("attacks[0].attack.init_args", []),
        ("diagnostics[0].raised", "yes"), ("versions.torch", 2.8), ("time_budget", float("nan")), ("cascade", 1),
        ("n_samples", 10.5), ("system", ""), ("attacks[2].forwards", 10**400), ("epoch", -1),
        ("attacks[0].error", False), ("attacks[0].in_worst_case", "no"),
    ],
    ids=lambda value: str(value)[:30],
)  # fmt: skip
def test_the_sentence_names_the_file_and_the_key(make_run, tmp_path, key, value):
    home = make_run(extras=False)
    path = home / "results/val_attacks.json"
    way = [int(part) if part.isdigit() else part for part in re.findall(r"\w+", key)]
    path.write_text(json.dumps(changed(json.loads(path.read_text()), way, lambda _: value)))
    code, _, said, _ = reported(home, tmp_path)
    assert code == 1
    assert "val_attacks.json must have" in said
    assert f"`{key}`" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda rows: [*rows[:4], rows[3], *rows[5:]], "'index'"),
        (lambda rows: [[*rows[0][:2], rows[0][1], *rows[0][3:]], *rows[1:]], "more than once"),
        (lambda rows: [rows[0], *[["7", *row[1:]] for row in rows[1:]]], "each sample once"),
        (lambda rows: [*rows[:10], [*rows[10][:4], "1", *rows[10][5:]]], "0 where the clean image was wrong"),
        (lambda rows: [rows[0], [*rows[1][:3], "0.5", *rows[1][4:]], *rows[2:]], "whole numbers"),
        (lambda rows: [rows[0], [*rows[1][:5], "inf", *rows[1][6:]], *rows[2:]], "sizes"),
        (lambda rows: [rows[0], [*rows[1][:5], "", *rows[1][6:]], *rows[2:]], "wherever an attack succeeded"),
        (lambda rows: [[*rows[0], "sign:rippled"], *[[*row, "2"] for row in rows[1:]]], "0, 1 or nothing"),
    ],
)  # fmt: skip
def test_rows_that_no_evaluation_writes_are_refused(make_run, tmp_path, change, named):
    home = make_run(extras=False)
    path = home / "results/val_samples.csv"
    with path.open(newline="") as file:
        rows = change(list(csv.reader(file)))
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    code, _, said, _ = reported(home, tmp_path)
    assert code == 1
    assert "val_samples.csv must have" in said
    assert named in said


def test_two_attacks_of_one_name_are_refused(make_run, entry, tmp_path):
    code, _, said, _ = reported(make_run(attacks=[entry("a"), entry("a", "gray_box")], extras=False), tmp_path)
    assert code == 1
    assert "val_attacks.json: `attacks` must have names of their own, found ['a']" in said


@pytest.mark.parametrize(
    "eps",
    ["1/0", "0/0", "1e999999999", "-3", "nan", "", [], {}, True, 10**400, "8/255/2", "x" * 10000],
    ids=lambda value: str(value)[:30],
)
def test_an_eps_that_is_no_size_is_only_shown_and_takes_no_time(make_run, entry, tmp_path, eps):
    attacks = [entry("odd"), entry("pgd", fell=(1,)), entry("l2", eps=0.5, norm="L2")]
    attacks[0]["attack"]["init_args"]["eps"] = eps
    home = make_run(attacks=attacks, extras=False)
    code, printed, _, _ = reported(home, tmp_path)
    assert code == 0
    assert "worst Linf 8/255" in printed


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"budget": "8/255"}, "attacks[0].budget"),
        ({"budget": {}}, "attacks[0].budget.norm"),
        ({"budget": {"norm": 1, "size": 0.1, "relative": False}}, "attacks[0].budget.norm"),
        ({"budget": {"norm": "Linf", "size": "8/255", "relative": False}}, "attacks[0].budget.size"),
        ({"budget": {"norm": "Linf", "size": -1, "relative": False}}, "attacks[0].budget.size"),
        ({"budget": {"norm": "Linf", "size": 10**400, "relative": False}}, "attacks[0].budget.size"),
        ({"budget": {"norm": "Linf", "size": 0.1, "relative": None}}, "attacks[0].budget.relative"),
        ({"minimises": 2}, "attacks[0].minimises"),
        ({"asks_only": "yes"}, "attacks[0].asks_only"),
    ],
)
def test_a_budget_that_is_none_is_named(make_run, entry, tmp_path, change, key):
    code, _, said, _ = reported(make_run(attacks=[entry("pgd") | change], extras=False), tmp_path)
    assert (code, said.count("\n")) == (1, 1)
    assert key in said


@pytest.mark.parametrize("key", ["budget", "minimises", "asks_only"])
def test_a_record_of_before_budgets_were_said_is_refused_with_what_to_do(make_run, entry, tmp_path, key):
    attack = entry("pgd")
    del attack[key]
    code, _, said, _ = reported(make_run(attacks=[attack], extras=False), tmp_path)
    assert (code, said.count("\n")) == (1, 1)
    assert f"must have the keys ['attacks[0].{key}'], found none; write it again with `sparsefront validate`" in said


def test_a_time_budget_that_is_said_to_be_reached_must_be_there(make_run, tmp_path):
    home = make_run(extras=False)
    path = home / "results/val_attacks.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"time_budget_reached": True, "time_budget": None}))
    code, _, said, _ = reported(home, tmp_path)
    assert code == 1
    assert "`time_budget`" in said
    assert said.count("\n") == 1


def test_a_last_line_of_metrics_that_a_kill_tore_is_left_out_and_one_in_between_is_named(make_run, tmp_path):
    home = make_run()
    path = home / "metrics.csv"
    whole = path.read_text()
    path.write_text(whole + whole.splitlines()[-1].rpartition(",")[0])
    assert reported(home, tmp_path)[0] == 0
    lines = whole.splitlines()
    path.write_text("\n".join([lines[0], "1", *lines[1:]]))
    code, _, said, _ = reported(home, tmp_path)
    assert code == 1
    assert "metrics.csv must hold one number a cell" in said
    assert "delete it" in said
