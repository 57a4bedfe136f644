"""Stratified convolutional sparse coding (paper 002), in several files."""

from sparsefront.frontends.stl.stl import STL

__all__ = ["STL"]
