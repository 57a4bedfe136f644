"""Attacks: an adversary's arithmetic, and what the adversary knows."""

from attacks.base import Attack
from attacks.fgsm import FGSM
from attacks.named import NamedAttack
from attacks.norms import size
from attacks.pgd import PGD
from attacks.views import GrayBox, Transfer, View, WhiteBox

__all__ = ["FGSM", "PGD", "Attack", "GrayBox", "NamedAttack", "Transfer", "View", "WhiteBox", "size"]
