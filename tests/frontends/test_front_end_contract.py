"""What every front end of the project keeps to; a new one is a row of FRONT_ENDS."""

import pytest
import torch
from contract import assert_gpu_agrees, assert_keeps_the_contract, fitted

import frontends
from frontends import Identity, TopT

# A builder of (image_shape) each, small enough for the shapes below.
FRONT_ENDS = {
    "Identity": Identity,
    "TopT": lambda shape: TopT(shape, n_atoms=20, top_t=4, decoder="small", n_iterations=2),
    "TopT, codes": lambda shape: TopT(shape, n_atoms=20, top_t=4, decoder="identity", quantize=False, n_iterations=2),
}
SHAPES = [(3, 16, 16), (1, 17, 13)]


def images(shape, seed=0):
    return torch.rand(4, *shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", FRONT_ENDS)
def test_keeps_the_contract(name, shape):
    assert_keeps_the_contract(fitted(FRONT_ENDS[name](shape), images(shape, seed=1)), images(shape))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", FRONT_ENDS)
def test_gpu_and_cpu_agree(name):
    assert_gpu_agrees(fitted(FRONT_ENDS[name](SHAPES[0]), images(SHAPES[0], seed=1)), images(SHAPES[0]))


def test_every_front_end_has_a_row():
    shown = {name.split(",")[0] for name in FRONT_ENDS}
    assert shown == set(frontends.__all__) - {"FrontEnd"}
