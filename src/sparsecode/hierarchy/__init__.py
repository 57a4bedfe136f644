"""Stacked layers of locally competing neurons: their energy, and three ways to its least."""

from sparsecode.hierarchy.coordinate_descent import CoordinateDescent
from sparsecode.hierarchy.eigenvalue_bound import eigenvalue_bound
from sparsecode.hierarchy.euler import Euler
from sparsecode.hierarchy.hierarchy import Hierarchy
from sparsecode.hierarchy.joint_operator import Block, Child, JointOperator
from sparsecode.hierarchy.proximal import Proximal
from sparsecode.hierarchy.solved_layer import SolvedLayer

__all__ = [
    "Block",
    "Child",
    "CoordinateDescent",
    "Euler",
    "Hierarchy",
    "JointOperator",
    "Proximal",
    "SolvedLayer",
    "eigenvalue_bound",
]
