"""Coders inside a model that trains with mixed precision, or is validated under inference mode."""

from functools import partial

import pytest
import torch
from torch.nn.functional import normalize

from sparsecode import OnlineDictionary, cbpdn, constrained_lasso, lasso, lca, omp

GENERATOR = torch.Generator().manual_seed(0)
SIGNALS, DICTIONARY = torch.randn(20, 16, generator=GENERATOR), torch.randn(16, 40, generator=GENERATOR)
DICTIONARY = normalize(DICTIONARY, dim=0)
IMAGES, FILTERS = torch.rand(2, 3, 12, 12, generator=GENERATOR), torch.randn(5, 27, generator=GENERATOR)
FILTERS = normalize(FILTERS, dim=1).view(5, 3, 3, 3)
CODERS = {
    "omp": partial(omp, SIGNALS, DICTIONARY, 3),
    "omp, torch": partial(omp, SIGNALS, DICTIONARY, 3, backend="torch"),
    "lasso": partial(lasso, SIGNALS, DICTIONARY, 0.5),
    "lasso, torch": partial(lasso, SIGNALS, DICTIONARY, 0.5, backend="torch"),
    "constrained_lasso": partial(constrained_lasso, SIGNALS, DICTIONARY, 1.0),
    "lca": partial(lca, SIGNALS, DICTIONARY, 0.5, tau=20.0),
    "cbpdn": partial(cbpdn, IMAGES, FILTERS, 0.2),
    "cbpdn, torch": partial(cbpdn, IMAGES, FILTERS, 0.2, backend="torch"),
}


@pytest.mark.parametrize("coder", CODERS.values(), ids=CODERS.keys())
def test_codes_do_not_depend_on_autocast_or_inference_mode(coder):
    expected = coder().codes
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(coder().codes, expected)
    with torch.inference_mode():
        assert torch.equal(coder().codes, expected)


def test_a_dictionary_learned_under_autocast_is_the_same():
    def learn():
        learner = OnlineDictionary(DICTIONARY, partial(lasso, lmbda=0.5))
        learner.step(SIGNALS)
        return learner.dictionary

    expected = learn()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(learn(), expected)
