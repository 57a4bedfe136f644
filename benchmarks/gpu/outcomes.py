"""A plugin of pytest: every test's outcome as a line of JSON, and tests that have one already are left out.

`SPARSEFRONT_GPU_OUTCOMES` names the file. It is whole line by line, so that a run may be killed and gone on from.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

VARIABLE = "SPARSEFRONT_GPU_OUTCOMES"
_KNOWN = pytest.StashKey[list[str]]()


def read_outcomes(path: Path) -> dict[str, dict[str, Any]]:
    """By the tests' names; a line that was cut off does not count."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            outcome = json.loads(line)
        except json.JSONDecodeError:
            continue
        found[outcome.pop("test")] = outcome
    return found


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what was run before."""
    known = config.stash[_KNOWN]
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid in known])
    items[:] = [item for item in items if item.nodeid not in known]


class Outcomes:
    """Writes them; of pytest-xdist, in the process that hears from all others.

    Args:
        known: the tests that were run before, the same for all processes, also for one that replaces another.
    """

    def __init__(self, known: list[str]) -> None:
        self.known = known

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a process of pytest-xdist."""
        node.workerinput["known"] = self.known

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a test that was called, or that failed or was skipped before or after it."""
        if report.when != "call" and report.passed:
            return
        outcome = {"test": report.nodeid, "outcome": report.outcome, "seconds": round(report.duration, 3)}
        if report.failed:
            outcome["why"] = report.longreprtext.strip().splitlines()[-1] if report.longreprtext else ""
            outcome["error"] = next(
                (line[1:].strip() for line in report.longreprtext.splitlines() if line.startswith("E ")), ""
            )
        outcome |= {name: str(value) for name, value in report.user_properties}
        with Path(os.environ[VARIABLE]).open("a", encoding="utf-8") as file:
            file.write(json.dumps(outcome) + "\n")


def pytest_configure(config: pytest.Config) -> None:
    """Write where tests are not run for another process, on a line of its own if one was cut off."""
    if hasattr(config, "workerinput"):
        config.stash[_KNOWN] = config.workerinput["known"]
        return
    path = Path(os.environ[VARIABLE])
    if path.exists() and not path.read_text(encoding="utf-8").endswith("\n"):
        with path.open("a", encoding="utf-8") as file:
            file.write("\n")
    config.stash[_KNOWN] = list(read_outcomes(path))
    config.pluginmanager.register(Outcomes(config.stash[_KNOWN]))
