"""Front ends that learn dictionaries, on two processes of Lightning.

This file is also their program, which becomes both once all is imported; its argument is the folder of what is learned.
"""

import os
import socket
import subprocess
import sys
import warnings
from pathlib import Path

import pytorch_lightning as pl
import torch

from sparsefront.data import MNIST5k
from sparsefront.data.faces.name_pictures import name_pictures
from sparsefront.data.faces.named_split import NamedSplit
from sparsefront.frontends import DDL, DSC, STL, RegionSparse, TopT
from sparsefront.frontends.dsc import DSCLayer, DSCLearningSettings, SecondModality
from sparsefront.frontends.settings import DDLLearning, RegionSparseLearning, TopTLearning
from sparsefront.frontends.stl import STLClusterSettings, STLLearningSettings
from sparsefront.training.stage_one import learn_front_end
from tests.helpers.places import IMPORT_PATH
from tests.helpers.precision import in_single_precision

SHAPE = (1, 28, 28)
N_ATOMS = {"n_atoms": 16}
DDL_SHORT, REGION_SHORT, TOP_T_SHORT = (
    kind(n_iterations=3) for kind in (DDLLearning, RegionSparseLearning, TopTLearning)
)
QUIET = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
STRATIFIED = {
    "n_filters": 8,
    "filter_size": 5,
    "n_clusters": 2,
    "clusters": STLClusterSettings(
        n_neighbours=3, n_components=8, n_references=40, reference_iterations=2, autoencoder_iterations=2
    ),
}
CONSENSUS = STLLearningSettings(n_iterations=2, learner="consensus", n_kept_images=9, n_passes=1)
DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
NAMES = SecondModality((1, 16, 128), [DSCLayer(6, 16, 8, 0.5)])
LAYERS = [DSCLayer(16, 7, 3, 0.5), DSCLayer(16, lmbda=0.1)]
FRONT_ENDS = {
    "DDL": lambda: DDL(SHAPE, learning=DDL_SHORT, **N_ATOMS),
    "DDL, batch": lambda: DDL(SHAPE, learning=DDLLearning("batch", n_iterations=3, n_passes=2), **N_ATOMS),
    "DDL, pca": lambda: DDL(SHAPE, factors="pca", learning=DDL_SHORT, **N_ATOMS),
    "DSC": lambda: DSC(SHAPE, LAYERS, learning=DSCLearningSettings(n_iterations=3)),
    "DSC, names": lambda: DSC(SHAPE, LAYERS, NAMES, learning=DSCLearningSettings(n_iterations=3)),
    "RegionSparse": lambda: RegionSparse(SHAPE, patch_size=4, learning=REGION_SHORT, **N_ATOMS),
    "STL": lambda: STL(SHAPE, **STRATIFIED, learning=STLLearningSettings(n_iterations=2)),
    "STL, consensus": lambda: STL(SHAPE, **STRATIFIED, learning=CONSENSUS),
    "TopT": lambda: TopT(SHAPE, decoder="small", learning=TOP_T_SHORT, **N_ATOMS),
}


class NamedDigits(MNIST5k):
    """Digits with pictures of their names."""

    def plain_training_split(self):
        source, positions = self._parts["train"]
        return NamedSplit(source, positions, source.labels, name_pictures(DIGITS))


@in_single_precision("pictures are read in it")
def test_both_processes_end_with_the_same_tensors(tmp_path):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        meet = {"MASTER_ADDR": "localhost", "MASTER_PORT": str(free.getsockname()[1])}
    done = subprocess.run(
        [sys.executable, __file__, tmp_path], env={**os.environ, **meet, "PYTHONPATH": IMPORT_PATH},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    for name in FRONT_ENDS:
        first, second = (torch.load(tmp_path / f"{name} {rank}.pt") for rank in range(2))
        assert first.keys() == second.keys()
        assert all(torch.equal(tensor, second[key]) for key, tensor in first.items()), name
        assert first["learned"]
        if name.startswith("DSC"):
            atoms = first[max(key for key in first if "dictionary" in key)].T
        else:
            filters = first.get("coder.filters")
            atoms = first["dictionary"] if filters is None else filters.flatten(0, 1).flatten(1).T
        torch.testing.assert_close(atoms.norm(dim=0), torch.ones(16))
        if name.startswith(("STL", "DSC")):  # and as on one process
            alone = FRONT_ENDS[name]()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # no validation, no optimizer: by design
                learn_front_end(alone, NamedDigits(batch_size=32), pl.Trainer(accelerator="cpu", **QUIET))
            for key, tensor in alone.state_dict().items():
                torch.testing.assert_close(first[key], tensor, atol=1e-3, rtol=1e-3)


def main(rank, folder):
    os.environ["LOCAL_RANK"] = str(rank)  # or Lightning would start the second process, after the first
    torch.set_num_threads(1)
    trainer = pl.Trainer(accelerator="cpu", devices=2, strategy="ddp", **QUIET)
    for name, build in FRONT_ENDS.items():
        frontend = build()
        learn_front_end(frontend, NamedDigits(batch_size=16), trainer)
        tensors = dict(frontend.named_buffers())
        # What stage two trains is not learned here.
        tensors |= {key: weight for key, weight in frontend.named_parameters() if not weight.requires_grad}
        torch.save(tensors, Path(folder) / f"{name} {rank}.pt")


if __name__ == "__main__":
    torch.multiprocessing.start_processes(main, sys.argv[1:], nprocs=2, start_method="fork")
