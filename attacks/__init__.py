"""Attacks: an adversary's arithmetic, and what the adversary knows."""

from attacks.apgd import APGD
from attacks.apgd_t import APGDT
from attacks.base import Attack
from attacks.bim import BIM
from attacks.boundary import Boundary
from attacks.fgsm import FGSM
from attacks.hop_skip_jump import HopSkipJump
from attacks.low_pass import LowPass
from attacks.mi_fgsm import MIFGSM
from attacks.named import NamedAttack
from attacks.nes import NES
from attacks.noise_control import NoiseControl
from attacks.norms import size
from attacks.pgd import PGD
from attacks.r_fgsm import RFGSM
from attacks.rescaled import Rescaled
from attacks.square import Square
from attacks.views import GrayBox, Neighbourhood, Transfer, View, WhiteBox
from attacks.zoo import ZOO

__all__ = [
    "APGD",
    "APGDT",
    "BIM",
    "FGSM",
    "MIFGSM",
    "NES",
    "PGD",
    "RFGSM",
    "ZOO",
    "Attack",
    "Boundary",
    "GrayBox",
    "HopSkipJump",
    "LowPass",
    "NamedAttack",
    "Neighbourhood",
    "NoiseControl",
    "Rescaled",
    "Square",
    "Transfer",
    "View",
    "WhiteBox",
    "size",
]
