"""The settings of STL and of its groups, out of range."""

import re

import pytest

from tests.helpers.small_stl import learned, small


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_filters": 0}, "`n_filters` must be at least 1, found 0."),
        ({"n_clusters": 0}, "`n_clusters` must be at least 1, found 0."),
        ({"filter_size": 17}, "`filter_size` must be from 1 to the image's smaller side 16, found 17"),
        ({"lmbda": 0.0}, "`lmbda` must be positive and finite, found 0."),
        ({"tolerance": -1.0}, "`tolerance` must be positive and finite, found -1."),
        ({"low_pass": -1.0}, "`low_pass` must be >= 0 and finite, found -1."),
        ({"noise": -0.1}, "`noise` must be >= 0 and finite, found -0.1."),
        ({"learner": "batch"}, "`learner` must be one of online, consensus, found 'batch'."),
        ({"n_components": 513, "n_references": 600}, "`n_components` must be at most the auto-encoder's 512 features"),
        ({"n_references": 4}, "`n_references` must be at least `n_clusters`, `n_neighbours` and `n_components`"),
        ({"n_clusters": 1, "strata_checkpoint": "a.ckpt"}, "`strata_checkpoint` must be left out with `n_clusters: 1`"),
    ],
)
def test_a_setting_out_of_range_is_named(settings, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        small(**settings)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("implicit", {"tolerance": 0.0}, "`tolerance` must be positive and finite, found 0."),
        ("unrolled", {"steps": 0}, "`steps` must be at least 1, found 0."),
        ("identity", {"steps": 3}, "`settings` of backward mode 'identity' of STL may hold ['warm'], found ['steps']."),
    ],
)
def test_a_setting_of_a_mode_out_of_range_is_named(name, settings, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        learned().stand_in(name, **settings)
