"""The settings of DSC and of their groups, out of range."""

import re

import pytest

from sparsefront.frontends.dsc import DSC, DSCLayer, DSCLearningSettings, DSCSolver, SecondModality
from tests.helpers.small_dsc import LAYERS, NAMES, SECOND, SHAPE, learned


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layers": []}, "`layers` must name at least one layer"),
        ({"layers": LAYERS[::-1]}, "`layers` must have no filters above a fully connected layer"),
        ({"layers": LAYERS[:2], "second": NAMES}, "`layers` must end in a fully connected layer"),
        (
            {"second": SecondModality(SECOND, LAYERS[::-1])},
            "`layers` of `second` must have no filters above a fully connected layer, found layer 2 to have some",
        ),
        ({"second": SECOND}, "`second` must be a SecondModality, found (1, 4, 10)"),
        ({"feedback_on": "input"}, "`feedback_on` must be one of potential, code"),
        ({"normalise": "range"}, "`normalise` must be one of deviation, mean, none"),
        ({"solver": "euler"}, "`solver` must be a DSCSolver, found 'euler'"),
        ({"output": "text"}, "`output` must be one of reconstruction, code"),
        ({"learning": None}, "`learning` must be a DSCLearningSettings, found None"),
    ],
)
def test_settings_that_cannot_be_are_named(settings, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        DSC(SHAPE, **{"layers": LAYERS, **settings})


@pytest.mark.parametrize(
    ("group", "settings", "message"),
    [
        (DSCSolver, {"method": "lasso"}, "`method` must be one of coordinate, proximal, euler"),
        (DSCSolver, {"tau": 10.0}, "`tau` must be left out with `method: coordinate`"),
        (DSCSolver, {"tau": 10.0, "method": "proximal"}, "`tau` must be left out with `method: proximal`"),
        (DSCSolver, {"tau": 0.0, "method": "euler"}, "`tau` must be positive"),
        (DSCSolver, {"tolerance": 0.0}, "`tolerance` must be positive and finite, found 0"),
        (DSCSolver, {"max_steps": 0}, "`max_steps` must be at least 1, found 0"),
        (
            DSCLearningSettings,
            {"learning_rate": float("nan")},
            "`learning_rate` must be positive and finite, found nan",
        ),
        (DSCLearningSettings, {"tolerance": -1.0}, "`tolerance` must be positive and finite, found -1"),
        (DSCLearningSettings, {"n_iterations": 1.5}, "`n_iterations` must be an integer"),
        (DSCLearningSettings, {"n_iterations": 0}, "`n_iterations` must be at least 1, found 0"),
        (SecondModality, {"shape": SECOND, "layers": []}, "`layers` of `second` must name at least one layer"),
        (SecondModality, {"shape": (1, 0, 4), "layers": LAYERS}, "`shape` of `second` must be three positive sizes"),
        (SecondModality, {"shape": SECOND, "layers": [3]}, "`layers` must be a list, each entry a DSCLayer"),
    ],
)
def test_settings_of_a_group_that_cannot_be_are_named(group, settings, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        group(**settings)


def test_a_second_modality_may_be_given_in_lists_as_files_have_them():
    frontend = DSC(SHAPE, list(LAYERS), SecondModality([*SECOND], [DSCLayer(6, 4, 2)]))
    assert frontend.network.second_shape == SECOND


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("implicit", {"tolerance": 0.0}, "`tolerance` must be positive and finite"),
        ("unrolled", {"steps": 0}, "`steps` must be at least 1"),
    ],
)
def test_settings_of_backward_modes_that_cannot_be_are_named(name, settings, message):
    with pytest.raises(ValueError, match=message):
        learned().stand_in(name, **settings)
