"""Classifiers: images in [0, 1], or a front end's codes, to logits; normalisation inside."""

from classifiers.cifar_resnet import CIFARResNet
from classifiers.code_reader import CodeReader
from classifiers.convnet import ConvNet
from classifiers.linear_svm import LinearSVM
from classifiers.logistic import Logistic
from classifiers.mlp import MLP
from classifiers.neuron_threshold import NeuronThreshold
from classifiers.read_out import ReadOut
from classifiers.resnet32 import ResNet32
from classifiers.timm_model import Timm

__all__ = [
    "MLP",
    "CIFARResNet",
    "CodeReader",
    "ConvNet",
    "LinearSVM",
    "Logistic",
    "NeuronThreshold",
    "ReadOut",
    "ResNet32",
    "Timm",
]
