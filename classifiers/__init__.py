"""Classifiers: images in [0, 1], or a front end's codes, to logits; normalisation inside."""

from sparsefront.classifiers.cifar_resnet import CIFARResNet
from sparsefront.classifiers.convnet import ConvNet
from sparsefront.classifiers.linear_svm import LinearSVM
from sparsefront.classifiers.logistic import Logistic
from sparsefront.classifiers.mlp import MLP
from sparsefront.classifiers.neuron_threshold import NeuronThreshold
from sparsefront.classifiers.parts.code_reader import CodeReader
from sparsefront.classifiers.read_out import ReadOut
from sparsefront.classifiers.resnet32 import ResNet32
from sparsefront.classifiers.timm_model import Timm

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
