"""What every front end of the project keeps to; a new one is a row of FRONT_ENDS."""

from functools import partial

import pytest
import torch

from sparsefront import frontends
from sparsefront.frontends import (
    D3,
    DDL,
    DSC,
    JPEG,
    STL,
    Bilateral,
    BitDepth,
    ComDefend,
    Compose,
    CropEnsemble,
    GaussianBlur,
    Identity,
    ImageQuilting,
    LowPassFilter,
    MagNet,
    MeanFilter,
    MedianFilter,
    NonLocalMeans,
    Parallel,
    PixelDeflection,
    RandomResizePad,
    RegionSparse,
    TopT,
    TotalVariation,
)
from sparsefront.frontends.dsc import DSCLayer, DSCLearningSettings, DSCSolver
from sparsefront.frontends.settings import (
    BackgroundFilter,
    D3Learning,
    DDLLearning,
    RegionSparseCodes,
    RegionSparseLearning,
    TopTLearning,
)
from sparsefront.frontends.stl import STLClusterSettings, STLCodeSettings, STLLearningSettings
from tests.helpers.front_end_contract import (
    assert_devices_agree,
    assert_half_precision_works_or_is_refused,
    assert_keeps_the_contract,
    fitted,
)
from tests.helpers.precision import HALF, placed

pytestmark = pytest.mark.cuda

TWO_BATCHES = DSCLearningSettings(n_iterations=2)
THREE_LAYERS = [DSCLayer(8, 5, 2, 0.3), DSCLayer(10, 3, 2, 0.1), DSCLayer(12, lmbda=0.05)]
# A builder of (image_shape) each, small enough for the shapes below.
FRONT_ENDS = {
    "Identity": Identity,
    "TopT": lambda shape: TopT(shape, n_atoms=20, top_t=4, decoder="small", learning=TopTLearning(n_iterations=2)),
    "TopT, codes": lambda shape: TopT(
        shape, n_atoms=20, top_t=4, decoder="identity", quantizer=None, learning=TopTLearning(n_iterations=2)
    ),
    "ComDefend": lambda shape: ComDefend(shape, widths=(4, 8), n_iterations=2),
    "MagNet": lambda shape: MagNet(shape, n_iterations=2),
    "BitDepth": BitDepth,
    "Compose": lambda shape: Compose(
        shape, [lambda same: TotalVariation(same, n_iterations=2), lambda same: CropEnsemble(same, n_crops=2)]
    ),
    "Parallel": lambda shape: Parallel(
        shape, [partial(ImageQuilting, n_patches=200, n_iterations=2), partial(CropEnsemble, n_crops=2)]
    ),
    "CropEnsemble": lambda shape: CropEnsemble(shape, n_crops=3),
    "GaussianBlur": GaussianBlur,
    "JPEG": JPEG,
    "JPEG, 4:4:4": lambda shape: JPEG(shape, subsampling="4:4:4"),
    "LowPassFilter": LowPassFilter,
    "MeanFilter": MeanFilter,
    "MedianFilter": MedianFilter,
    "MedianFilter, 3": lambda shape: MedianFilter(shape, kernel_size=3),
    "RandomResizePad": RandomResizePad,
    "RandomResizePad, bilinear": lambda shape: RandomResizePad(shape, smallest=0.5, interpolation="bilinear"),
    "TotalVariation": lambda shape: TotalVariation(shape, n_iterations=5),
    "TotalVariation, nothing dropped": lambda shape: TotalVariation(shape, keep=1.0, n_iterations=5),
    "D3": lambda shape: D3(shape, n_atoms=60, n_nonzero_coefs=3, learning=D3Learning(2, 40)),
    "DDL": lambda shape: DDL(shape, n_atoms=20, learning=DDLLearning(n_iterations=2, patches_per_iteration=40)),
    "DSC": lambda shape: DSC(shape, THREE_LAYERS, solver=DSCSolver(tolerance=0.1), learning=TWO_BATCHES),
    "DSC, code": lambda shape: DSC(shape, THREE_LAYERS[1:], output="code", normalise="mean", learning=TWO_BATCHES),
    "DSC, euler": lambda shape: DSC(
        shape, [DSCLayer(6, lmbda=0.5)], positive=False, solver=DSCSolver("euler", 0.1), learning=TWO_BATCHES
    ),
    "ImageQuilting": lambda shape: ImageQuilting(shape, n_patches=200, n_iterations=2),
    "ImageQuilting, nearest": lambda shape: ImageQuilting(shape, n_neighbours=1, n_patches=200, n_iterations=2),
    "Bilateral": lambda shape: Bilateral(shape, diameter=5),
    "NonLocalMeans": lambda shape: NonLocalMeans(shape, search_window=5),
    "RegionSparse": lambda shape: RegionSparse(
        shape,
        n_atoms=20,
        codes=RegionSparseCodes(n_nonzero_coefs=3),
        patch_size=4,
        background=BackgroundFilter(3),
        learning=RegionSparseLearning(patches_per_image=20, n_iterations=2),
    ),
    "STL": lambda shape: STL(
        shape,
        n_filters=6,
        filter_size=4,
        lmbda=0.1,
        n_clusters=2,
        codes=STLCodeSettings(tolerance=1e-4),
        clusters=STLClusterSettings(
            n_neighbours=3, n_components=3, n_references=8, reference_iterations=2, autoencoder_iterations=2
        ),
        learning=STLLearningSettings(n_iterations=2),
    ),
    "STL, universal": lambda shape: STL(
        shape,
        n_filters=6,
        filter_size=5,
        n_clusters=1,
        codes=STLCodeSettings(rescale=True),
        learning=STLLearningSettings(n_iterations=1, learner="consensus", n_passes=2),
    ),
    "PixelDeflection": lambda shape: PixelDeflection(shape, n_deflections=20, window=3, n_copies=2),
}
SHAPES = [(3, 16, 16), (1, 17, 13)]


def images(shape, seed=0):
    return torch.rand(4, *shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", FRONT_ENDS)
def test_keeps_the_contract(name, shape):
    def build():
        return placed(FRONT_ENDS[name](shape))

    frontend = placed(fitted(build(), images(shape, seed=1)))
    assert_keeps_the_contract(frontend, placed(images(shape)), build)


@pytest.mark.skipif(HALF is None, reason="SPARSEFRONT_TEST_DTYPE names no half precision")
@pytest.mark.parametrize("name", FRONT_ENDS)
def test_half_precision_is_claimed_or_refused(name, record_property):
    frontend = placed(fitted(FRONT_ENDS[name](SHAPES[0]), images(SHAPES[0], seed=1)))
    if refusal := assert_half_precision_works_or_is_refused(frontend, placed(images(SHAPES[0])), HALF):
        record_property("refused", refusal)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", FRONT_ENDS)
def test_gpu_and_cpu_agree(name, shape):
    assert_devices_agree(fitted(FRONT_ENDS[name](shape), images(shape, seed=1)), images(shape), "cuda")


def test_every_front_end_has_a_row():
    shown = {name.split(",")[0] for name in FRONT_ENDS}
    assert shown == set(frontends.__all__) - {"FrontEnd"}
