"""What a fit and a test leave that came to their ends, without the work."""

import json

import torch

from sparsefront.common.checkpoints.checkpoint import file_digest
from sparsefront.common.run_versions import version_folder, versions_of


def new_version(folder):
    """The folder of the next version of a run."""
    home = version_folder(folder, len(versions_of(folder)))
    home.mkdir(parents=True)
    return home


def leave_fit(folder, ended=True):
    """A checkpoint, of a fit that came to its end or was interrupted."""
    path = new_version(folder) / "checkpoints/last.ckpt"
    path.parent.mkdir()
    torch.save({"state_dict": {}, "epoch": 0, "global_step": 3, "sparsefront": {"ended": ended}}, path)


def leave_test(folder, whole=True, predictions=(1,)):
    """Results, of a test that came to its end or was stopped in its diagnostics, of samples whose label is 1."""
    results = new_version(folder) / "results"
    results.mkdir()
    samples = results / "test_samples.csv"
    rows = (f"{index},1,{prediction},0\n" for index, prediction in enumerate(predictions))
    samples.write_text("".join(("index,label,clean_pred,fell\n", *rows)))
    about = {"system": "a", "data": "b", "attacks": [], "whole": whole, "samples_sha256": file_digest(samples)}
    (results / "test_attacks.json").write_text(json.dumps(about))


def leave_rows(folder):
    """What a test leaves that was interrupted in its attacks."""
    rows = new_version(folder) / "results/test_partial"
    rows.mkdir(parents=True)
    (rows / "about.json").write_text("{}")
