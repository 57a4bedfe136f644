"""Front ends: plug-in defenses that clean an image before a classifier sees it."""

from sparsefront.frontends.base import FrontEnd
from sparsefront.frontends.bilateral import Bilateral
from sparsefront.frontends.bit_depth import BitDepth
from sparsefront.frontends.com_defend import ComDefend
from sparsefront.frontends.compose import Compose
from sparsefront.frontends.crop_ensemble import CropEnsemble
from sparsefront.frontends.d3 import D3
from sparsefront.frontends.ddl import DDL
from sparsefront.frontends.dsc.dsc import DSC
from sparsefront.frontends.gaussian_blur import GaussianBlur
from sparsefront.frontends.identity import Identity
from sparsefront.frontends.image_quilting import ImageQuilting
from sparsefront.frontends.jpeg import JPEG
from sparsefront.frontends.low_pass_filter import LowPassFilter
from sparsefront.frontends.mag_net import MagNet
from sparsefront.frontends.mean_filter import MeanFilter
from sparsefront.frontends.median_filter import MedianFilter
from sparsefront.frontends.non_local_means import NonLocalMeans
from sparsefront.frontends.parallel import Parallel
from sparsefront.frontends.pixel_deflection import PixelDeflection
from sparsefront.frontends.random_resize_pad import RandomResizePad
from sparsefront.frontends.region_sparse import RegionSparse
from sparsefront.frontends.stl.stl import STL
from sparsefront.frontends.top_t import TopT
from sparsefront.frontends.total_variation import TotalVariation

__all__ = [
    "D3",
    "DDL",
    "DSC",
    "JPEG",
    "STL",
    "Bilateral",
    "BitDepth",
    "ComDefend",
    "Compose",
    "CropEnsemble",
    "FrontEnd",
    "GaussianBlur",
    "Identity",
    "ImageQuilting",
    "LowPassFilter",
    "MagNet",
    "MeanFilter",
    "MedianFilter",
    "NonLocalMeans",
    "Parallel",
    "PixelDeflection",
    "RandomResizePad",
    "RegionSparse",
    "TopT",
    "TotalVariation",
]
