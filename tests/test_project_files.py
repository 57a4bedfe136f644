"""The files at the top agree with each other."""

import re
import runpy
import tomllib

import pytest
import yaml

from tests.helpers.places import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_citation_has_what_its_schema_requires_and_the_projects_version_and_licence():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"authors", "cff-version", "message", "title"} <= set(citation)
    assert all({"name"} <= set(author) for author in citation["authors"])
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text().splitlines()[0]


def test_the_changelog_begins_with_what_is_unreleased_and_has_the_version():
    headings = re.findall(r"^## \[(.*?)\]", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert PROJECT["version"] in headings


def test_every_form_of_an_issue_can_be_read_and_asks_for_something():
    forms = [path for path in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config"]
    assert forms
    for path in forms:
        form = yaml.safe_load(path.read_text())
        assert {"body", "description", "name"} <= set(form)
        assert any(part.get("validations", {}).get("required") for part in form["body"]), path.name


def lowest(dependencies, **extras):
    text = f"[project]\nname = 'ours'\ndependencies = {dependencies}\n[project.optional-dependencies]\n"
    text += "".join(f"{name} = {requirements}\n" for name, requirements in extras.items())
    return runpy.run_path(str(ROOT / ".ci/lowest.py"))["lowest_versions"](text)


def test_the_lowest_version_of_each_requirement_is_pinned():
    assert lowest(["b>=2.6.4,<2.7", "a[x]>=1.0"], all=["ours[one]", "c==3"], one=["d-e>=0.2.post1"]) == [
        "a==1.0",
        "b==2.6.4",
        "c==3",
        "d-e==0.2.post1",
    ]
    with pytest.raises(ValueError, match="`dependencies` must have lower bounds, found 'a<3'; write name>=version"):
        lowest(["a<3"])


def test_nothing_is_pinned_twice_for_the_lowest_versions():
    def names(lines):
        return {re.split("[=#]", line)[0].lower().replace("_", "-") for line in lines if not line.startswith("#")}

    direct = runpy.run_path(str(ROOT / ".ci/lowest.py"))["lowest_versions"]((ROOT / "pyproject.toml").read_text())
    others = (ROOT / "constraints-lowest.txt").read_text().splitlines()
    assert not names(direct) & names(others)
