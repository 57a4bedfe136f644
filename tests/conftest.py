import pytest
import torch

torch.set_num_threads(1)  # small tensors: threads cost more than they bring, above all on a busy machine


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)
