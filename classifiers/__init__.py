"""Classifiers: images in [0, 1], or a front end's codes, to logits; normalisation inside."""

from classifiers.cifar_resnet import CIFARResNet
from classifiers.convnet import ConvNet
from classifiers.resnet32 import ResNet32
from classifiers.timm_model import Timm

__all__ = ["CIFARResNet", "ConvNet", "ResNet32", "Timm"]
