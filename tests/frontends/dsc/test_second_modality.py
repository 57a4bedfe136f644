"""Deep sparse coding of two modalities below one top layer."""

import re

import pytest
import torch

from sparsefront.frontends.dsc import DSC
from tests.helpers.precision import DTYPE
from tests.helpers.small_dsc import LAYERS, NAMES, SECOND, SHAPE, bimodal, learned, pictures


def test_modalities_share_the_top_layer_and_either_may_be_absent():
    frontend, images, names = bimodal(), pictures(3), pictures(3, shape=SECOND)
    both, image, name = frontend.infer(images, names), frontend.infer(images), frontend.infer(second=names)
    assert [code.shape[1:] for code in both.layers] == [
        plan.code_shape for plan in (*frontend.network.plans[:2], frontend.network.plans[-1])
    ]
    assert [code.shape[1:] for code in both.second_layers] == [frontend.network.plans[2].code_shape]
    assert (len(image.layers), len(image.second_layers)) == (3, 0)
    assert (len(name.layers), len(name.second_layers)) == (1, 1)
    assert {len({code.shape for code in (found.layers[-1] for found in (both, image, name))})} == {1}
    assert frontend.encode(images, names).shape == (3, 8)
    assert torch.equal(frontend.encode(images), image.layers[-1])
    assert frontend(images).shape == images.shape


def test_an_absent_modality_counts_as_if_it_had_no_layers():
    frontend = bimodal()
    alone = DSC(SHAPE, LAYERS)
    channels, rows, columns = frontend.network.plans[1].code_shape
    number = channels * rows * columns
    first, second, top = (frontend.network.dictionary(index) for index in (0, 1, 3))
    for place, whole in enumerate((first, second, top[:, :number])):
        alone.network.dictionary(place).copy_(whole)
    model = frontend.network.hierarchy(dtype=DTYPE)
    assert [tuple(one.atoms.shape) for one in model.levels] == [tuple(plan.atoms_shape) for plan in alone.network.plans]
    torch.testing.assert_close(model.levels[2].atoms, alone.network.dictionary(2))
    assert model.weights == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((None, None), "`images` and `second` must be as many as each other and not both be absent, found []"),
        ((pictures(2), pictures(3, shape=SECOND)), "found [2, 3]"),
        ((pictures(2, shape=(3, 8, 8)), None), "`images` must be floating point of shape (B, *(3, 9, 8))"),
        ((pictures(2), pictures(2, shape=(1, 5, 5))), "`second` must be floating point of shape (B, *(1, 4, 10))"),
        ((pictures(2) / 0, None), "`images` must be finite"),
    ],
)
def test_modalities_that_cannot_be_are_named(given, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        bimodal().infer(*given)


def test_a_second_modality_that_is_not_brought_or_not_planned_is_named():
    with pytest.raises(ValueError, match="`second` wants batches that bring the second modality as `second`"):
        DSC(SHAPE, LAYERS, NAMES).learn_from_batch([pictures(4)])
    with pytest.raises(ValueError, match="`second` must be left out"):
        learned().infer(pictures(2), pictures(2, shape=SECOND))
