"""Attacks: an adversary's arithmetic, and what the adversary knows."""

from attacks.apgd import APGD
from attacks.apgd_t import APGDT
from attacks.base import Attack
from attacks.bim import BIM
from attacks.fgsm import FGSM
from attacks.mi_fgsm import MIFGSM
from attacks.named import NamedAttack
from attacks.norms import size
from attacks.pgd import PGD
from attacks.r_fgsm import RFGSM
from attacks.views import GrayBox, Transfer, View, WhiteBox

__all__ = [
    "APGD",
    "APGDT",
    "BIM",
    "FGSM",
    "MIFGSM",
    "PGD",
    "RFGSM",
    "Attack",
    "GrayBox",
    "NamedAttack",
    "Transfer",
    "View",
    "WhiteBox",
    "size",
]
