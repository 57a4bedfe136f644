"""What has been done of a system, and with which settings."""

import json
from typing import Any

from sparsefront.common.atomic_file import write_atomically
from sparsefront.common.checkpoints.run_folder import has_checkpoint
from sparsefront.results.result_files import read_json
from sparsefront.studies.finished import has_rows, has_whole_fit, has_whole_test, results_in
from sparsefront.studies.made_with import difference, fit_of, test_of
from sparsefront.studies.system import System

FILE = "study.json"


def begin_fit(system: System) -> None:
    """Note what a fit is about to be made with."""
    _write(system, {"fit": fit_of(system), "fitted": False})


def end_fit(system: System) -> bool:
    """Note that the fit came to its end, if what it left says so; returns whether it does."""
    fitted = has_whole_fit(system)
    _write(system, _read(system) | {"fitted": fitted})
    return fitted


def begin_test(system: System) -> None:
    """Note what a test is about to be made with."""
    _write(system, _read(system) | {"test": test_of(system), "tested": False})


def end_test(system: System) -> bool:
    """Note that the test came to its end, if what it left says so; returns whether it does."""
    tested = has_whole_test(system)
    _write(system, _read(system) | {"tested": tested})
    return tested


def is_fitted(system: System) -> bool:
    """Whether a fit came to its end, or none is wanted."""
    return not system.fit or (noted_as_fitted(system) and has_whole_fit(system))


def noted_as_fitted(system: System) -> bool:
    """The same as it was noted at the end of the fit, which takes no reading of checkpoints."""
    return not system.fit or bool(_read(system).get("fitted"))


def is_done(system: System) -> bool:
    """Whether there is nothing left to do."""
    tested = not system.test or bool(_read(system).get("tested"))
    return tested and is_fitted(system) and has_whole_test(system)


def goes_on(system: System) -> bool:
    """Whether a test with the same settings was interrupted and left rows."""
    return has_rows(system.folder) and _read(system).get("test") == test_of(system)


def check_same(system: System) -> None:
    """Raise a ValueError if the system's folder has anything that would now be made with other settings."""
    record, folder = _read(system), system.folder
    results = results_in(folder, system.stage)
    begun = results is not None or has_checkpoint(folder)
    rule = f"The study's folder must hold runs of the same settings, found in {folder}"
    if begun and not record:
        raise ValueError(f"{rule} one that is not of this study; name another `run_dir`.")
    if begun and system.fit and record.get("fit") != fit_of(system):
        what = difference(record.get("fit", {}), fit_of(system))
        raise ValueError(f"{rule} a fit of other ones ({what}); name another `run_dir`, or delete this folder.")
    if system.test and results is not None and record.get("test") != test_of(system):
        what = difference(record.get("test", {}), test_of(system))
        raise ValueError(f"{rule} a test of other ones ({what}); delete {results} to test anew, or restore them.")


def _read(system: System) -> dict[str, Any]:
    path = system.folder / FILE
    mend = "delete the folder to run the system anew"
    return read_json(path, (), mend, to_show=False).mapping() if path.is_file() else {}


def _write(system: System, record: dict[str, Any]) -> None:
    write_atomically(system.folder / FILE, json.dumps(record, indent=1))
