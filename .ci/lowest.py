"""Print the lowest version of every package that pyproject.toml names, as pip's constraints: `python .ci/lowest.py`."""

import re
import sys
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"


def lowest_versions(pyproject: str) -> list[str]:
    """Turn each requirement of a pyproject.toml, given as its text, into `name==bound`.

    Raises:
        ValueError: a requirement without a lower bound.
    """
    project = tomllib.loads(pyproject)["project"]
    requirements = [*project["dependencies"]]
    for extra in project["optional-dependencies"].values():
        requirements += [one for one in extra if not one.startswith(f"{project['name']}[")]  # takes in another extra
    pins = set()
    for requirement in requirements:
        bound = re.match(r"([\w.-]+)(?:\[[\w,-]+\])?\s*[>=]=\s*([\w.]+)", requirement)
        if not bound:
            raise ValueError(f"`dependencies` must have lower bounds, found {requirement!r}; write name>=version.")
        pins.add(f"{bound[1]}=={bound[2]}")
    return sorted(pins, key=str.lower)


if __name__ == "__main__":
    sys.stdout.write("\n".join(lowest_versions(PYPROJECT.read_text())) + "\n")
