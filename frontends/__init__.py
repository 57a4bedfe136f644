"""Front ends: plug-in defenses that clean an image before a classifier sees it."""

from frontends.base import FrontEnd
from frontends.bilateral import Bilateral
from frontends.bit_depth import BitDepth
from frontends.com_defend import ComDefend
from frontends.compose import Compose
from frontends.crop_ensemble import CropEnsemble
from frontends.d3 import D3
from frontends.ddl import DDL
from frontends.dsc import DSC
from frontends.gaussian_blur import GaussianBlur
from frontends.identity import Identity
from frontends.image_quilting import ImageQuilting
from frontends.jpeg import JPEG
from frontends.low_pass_filter import LowPassFilter
from frontends.mag_net import MagNet
from frontends.mean_filter import MeanFilter
from frontends.median_filter import MedianFilter
from frontends.non_local_means import NonLocalMeans
from frontends.parallel import Parallel
from frontends.pixel_deflection import PixelDeflection
from frontends.random_resize_pad import RandomResizePad
from frontends.region_sparse import RegionSparse
from frontends.stl import STL
from frontends.top_t import TopT
from frontends.total_variation import TotalVariation

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
