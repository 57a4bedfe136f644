"""Attacks: an adversary's arithmetic, and what the adversary knows."""

from attacks.apgd import APGD
from attacks.apgd_t import APGDT
from attacks.auto_attack import AutoAttack
from attacks.base import Attack
from attacks.bim import BIM
from attacks.boundary import Boundary
from attacks.carlini_wagner import CarliniWagner
from attacks.deep_fool import DeepFool
from attacks.fab import FAB
from attacks.fgsm import FGSM
from attacks.fitted_surrogate import FittedSurrogate
from attacks.fmn import FMN
from attacks.growing import Growing
from attacks.hop_skip_jump import HopSkipJump
from attacks.jsma import JSMA
from attacks.low_pass import LowPass
from attacks.mi_fgsm import MIFGSM
from attacks.named import NamedAttack
from attacks.nes import NES
from attacks.noise_control import NoiseControl
from attacks.norms import size
from attacks.pgd import PGD
from attacks.r_fgsm import RFGSM
from attacks.rescaled import Rescaled
from attacks.saved import SavedImages
from attacks.square import Square
from attacks.universal import UniversalPerturbation
from attacks.views import GrayBox, Neighbourhood, Transfer, View, WhiteBox
from attacks.zoo import ZOO

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
    "CarliniWagner",
    "DeepFool",
    "FittedSurrogate",
    "GrayBox",
    "Growing",
    "HopSkipJump",
    "LowPass",
    "NamedAttack",
    "Neighbourhood",
    "NoiseControl",
    "Rescaled",
    "SavedImages",
    "Square",
    "Transfer",
    "UniversalPerturbation",
    "View",
    "WhiteBox",
    "size",
]
