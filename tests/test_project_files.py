"""The files at the top agree with each other."""

import re
import tomllib

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
