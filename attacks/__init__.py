"""Attacks: an adversary's arithmetic, and what the adversary knows."""

from sparsefront.attacks.apgd import APGD
from sparsefront.attacks.apgd_t import APGDT
from sparsefront.attacks.auto_attack import AutoAttack
from sparsefront.attacks.base import Attack
from sparsefront.attacks.bim import BIM
from sparsefront.attacks.boundary import Boundary
from sparsefront.attacks.carlini_wagner import CarliniWagner
from sparsefront.attacks.deep_fool import DeepFool
from sparsefront.attacks.fab import FAB
from sparsefront.attacks.fgsm import FGSM
from sparsefront.attacks.fmn import FMN
from sparsefront.attacks.gaussian_blur_control import GaussianBlurControl
from sparsefront.attacks.growing import Growing
from sparsefront.attacks.hop_skip_jump import HopSkipJump
from sparsefront.attacks.jsma import JSMA
from sparsefront.attacks.mi_fgsm import MIFGSM
from sparsefront.attacks.mixed_search import MixedSearch
from sparsefront.attacks.named import NamedAttack
from sparsefront.attacks.nes import NES
from sparsefront.attacks.noise_control import NoiseControl
from sparsefront.attacks.parts.chain import Chain
from sparsefront.attacks.parts.differentiation import value_and_gradient
from sparsefront.attacks.parts.losses import cross_entropy, margin
from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.parts.norms import Norm, perturbation_norm
from sparsefront.attacks.pgd import PGD
from sparsefront.attacks.protocol import expanded
from sparsefront.attacks.r_fgsm import RFGSM
from sparsefront.attacks.ray_s import RayS
from sparsefront.attacks.rescaled import Rescaled
from sparsefront.attacks.saved_images import SavedImages
from sparsefront.attacks.square import Square
from sparsefront.attacks.standard import Standard
from sparsefront.attacks.universal_perturbation import UniversalPerturbation
from sparsefront.attacks.views import (
    FittedModel,
    FittedSurrogate,
    GrayBox,
    Neighbourhood,
    OppositeGradient,
    RescaledLogits,
    Transfer,
    View,
    WhiteBox,
)
from sparsefront.attacks.zoo import ZOO
from sparsefront.common.budget import Budget

__all__ = [
    "APGD",
    "APGDT",
    "BIM",
    "FAB",
    "FGSM",
    "FMN",
    "JSMA",
    "MIFGSM",
    "NES",
    "PGD",
    "RFGSM",
    "ZOO",
    "Attack",
    "AutoAttack",
    "Boundary",
    "Budget",
    "CarliniWagner",
    "Chain",
    "DeepFool",
    "FittedModel",
    "FittedSurrogate",
    "GaussianBlurControl",
    "GrayBox",
    "Growing",
    "HopSkipJump",
    "MixedSearch",
    "Model",
    "NamedAttack",
    "Neighbourhood",
    "NoiseControl",
    "Norm",
    "OppositeGradient",
    "RayS",
    "Rescaled",
    "RescaledLogits",
    "SavedImages",
    "Square",
    "Standard",
    "Transfer",
    "UniversalPerturbation",
    "View",
    "WhiteBox",
    "cross_entropy",
    "expanded",
    "margin",
    "perturbation_norm",
    "value_and_gradient",
]
