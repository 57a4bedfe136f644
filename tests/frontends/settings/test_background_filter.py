import pytest
import torch

from sparsefront.frontends import Bilateral
from sparsefront.frontends.settings import BackgroundFilter


@pytest.mark.parametrize("settings", [{}, {"diameter": 5, "sigma_color": "20/255", "sigma_space": 1.5}], ids=str)
def test_it_is_the_bilateral_filter_of_the_same_sizes(settings):
    images = torch.rand(2, 3, 12, 16)
    assert torch.equal(BackgroundFilter(**settings)(images), Bilateral((3, 12, 16), **settings)(images))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sigma_color": 0}, "`sigma_color` must be positive and finite, found 0"),
        ({"sigma_color": -0.1}, "`sigma_color` must be >= 0, found -0.1"),
        ({"sigma_color": "x"}, "`sigma_color` must be a finite number or a fraction"),
    ],
)
def test_a_deviation_in_colour_that_is_none_is_refused_at_once(settings, message):
    with pytest.raises(ValueError, match=message):
        BackgroundFilter(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"diameter": 4}, "`diameter` must be odd and from 1 to 9"),
        ({"diameter": 11}, "`diameter` must be odd and from 1 to 9"),
        ({"diameter": 3, "sigma_space": 0.0}, "`sigma_space` must be positive"),
    ],
)
def test_a_filter_that_fits_no_such_image_is_named(settings, message):
    with pytest.raises(ValueError, match=message):
        BackgroundFilter(**settings).check((3, 5, 8))
    BackgroundFilter(diameter=9).check((3, 5, 8))
