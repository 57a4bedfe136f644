"""A class that cannot be built from the data's sizes is named, with what it takes instead."""

import functools

import pytest
import torch
from torch import nn

from sparsefront import DefendedClassifier
from sparsefront.classifiers import ConvNet
from sparsefront.common.build_part import build_part
from sparsefront.frontends import Compose, Identity, PixelDeflection

SIZES = {"in_chans": 1, "num_classes": 10}


class TakesNothing(nn.Module):
    pass


class TakesOne(nn.Module):
    def __init__(self, num_classes):
        super().__init__()


class TakesThree(nn.Module):
    def __init__(self, in_chans, num_classes, needed):
        super().__init__()


class ByNameAlone(nn.Module):
    def __init__(self, *, in_chans, num_classes):
        super().__init__()


class TakesOthers(nn.Module):
    def __init__(self, layers, pretrained):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(n, n) for n in layers)


def images_of(shape):
    return torch.zeros(shape)


@pytest.mark.parametrize("kind", [TakesOne, TakesThree, ByNameAlone, lambda: nn.Identity()])
@pytest.mark.parametrize("as_the_command_line_does", [False, True])
def test_a_class_that_does_not_take_the_sizes_is_named_with_what_it_takes(kind, as_the_command_line_does):
    builder = functools.partial(lambda kind, *args, **settings: kind(*args, **settings), kind)
    given = builder if as_the_command_line_does and isinstance(kind, type) else kind
    with pytest.raises(ValueError, match=rf"^`classifier` {kind.__name__} must take \(in_chans, num_classes\) as its"):
        DefendedClassifier(given)


@pytest.mark.parametrize("kind", [TakesNothing, TakesOthers, len, dict.fromkeys])
def test_a_class_that_fails_on_the_sizes_is_named_with_its_own_words(kind):
    with pytest.raises(ValueError, match=r"^`classifier` \w+ must (be built from|take) \(in_chans, num_classes\)"):
        DefendedClassifier(kind)


@pytest.mark.parametrize("kind", [lambda a, b: None, lambda a, b: torch.zeros(2), max, lambda a, b: ConvNet])
def test_what_returns_no_network_is_named(kind):
    with pytest.raises(ValueError, match=r"^`classifier` must build a Module, found .*, which returns"):
        DefendedClassifier(kind)


@pytest.mark.parametrize("kind", [ConvNet, images_of, nn.Linear])
def test_the_same_holds_for_front_ends_wherever_they_are_named(kind):
    with pytest.raises(ValueError, match=r"^`frontend` "):
        DefendedClassifier(ConvNet, kind)
    with pytest.raises(ValueError, match=r"^`parts` "):
        Compose((1, 8, 8), [Identity, kind])
    with pytest.raises(ValueError, match=r"^`attention` "):
        PixelDeflection((1, 8, 8), attention=TakesOne)


def test_what_a_part_refuses_itself_is_left_as_it_says_it():
    with pytest.raises(ValueError, match=r"^`width` must be at least 1, found 0\.$"):
        build_part("classifier", functools.partial(ConvNet, width=0), SIZES, nn.Module)
    assert isinstance(build_part("classifier", functools.partial(ConvNet, width=2), SIZES, nn.Module), ConvNet)
