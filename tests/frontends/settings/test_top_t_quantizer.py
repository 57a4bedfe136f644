"""The quantizer against its formula, number by number, and its slope against the height of its steps."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sparsefront.frontends.settings import TopTQuantizer

numbers = st.floats(-2, 2, allow_nan=False)


@given(projection=numbers, norm=st.floats(0.1, 4), eps=st.floats(0, 0.3), beta=st.floats(0.1, 4))
def test_a_projection_becomes_the_signed_norm_where_it_reaches_the_threshold(projection, norm, eps, beta):
    quantizer = TopTQuantizer(eps, beta)
    (code,) = quantizer(torch.tensor([projection], dtype=torch.float64), torch.tensor([norm], dtype=torch.float64))
    expected = math.copysign(norm, projection) if abs(projection) >= beta * eps * norm else 0.0
    assert code == (expected if projection else 0.0)


def test_the_smooth_slope_integrates_to_the_step_that_it_stands_for():
    quantizer, norms = TopTQuantizer(eps=0.1, beta=2.0), torch.tensor([3.0], dtype=torch.float64)
    x = torch.linspace(-3 * 3, 3 * 3, 200_001, dtype=torch.float64)
    slope = quantizer.smooth_slope(x, norms, steepness=4.0)
    assert (slope > 0).all()
    # from -||d||_1 to ||d||_1 over the whole line: each of the two steps is one ||d||_1 high
    torch.testing.assert_close(torch.trapezoid(slope, x), 2 * norms.squeeze(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [({"eps": -0.1}, "`eps` must be >= 0, found -0.1"), ({"beta": 0.0}, "`beta` must be positive and finite, found 0")],
)
def test_a_setting_out_of_range_is_named(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        TopTQuantizer(**settings)


def test_a_size_in_pixel_units_is_read():
    assert TopTQuantizer(eps="8/255", beta=3).threshold == 3 * (8 / 255)
