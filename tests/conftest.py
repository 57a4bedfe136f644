import signal
import sys

import pytest
import pytorch_lightning  # noqa: F401  before scikit-learn, see classifiers/linear_svm.py
import torch

from tests.helpers.precision import DEVICE, DTYPE, check_environment

torch.set_default_dtype(DTYPE)
torch.set_num_threads(1)  # small tensors: threads cost more than they bring, above all on a busy machine
if DEVICE.type == "cuda":
    torch.backends.cudnn.allow_tf32 = False  # torch's default, whose 1e-3 would hide what a contract is about

# A shell in the background leaves SIGINT ignored, which what the tests start and interrupt would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure():
    try:
        check_environment()
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None


@pytest.fixture
def in_an_empty_folder(tmp_path, monkeypatch):
    """As a command is started there, without arguments."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["sparsefront"])


@pytest.fixture(autouse=True)
def seeded():
    if torch.cuda.is_available():
        torch.cuda.manual_seed_all(0)
    torch.default_generator.manual_seed(0)  # torch.manual_seed takes 4 of the suite's seconds, see `drawing`
