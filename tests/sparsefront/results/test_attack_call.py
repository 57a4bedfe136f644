import pytest

from sparsefront.results.attack_call import attack_call


@pytest.mark.parametrize("name", ["alpha", "eps", "radius", "size", "step_size"])
def test_sizes_in_pixel_units_are_spelled_in_grey_levels(name):
    assert attack_call("RFGSM", {name: 2 / 255, "steps": 3}) == f"RFGSM({name}=2/255, steps=3)"


@pytest.mark.parametrize("kind", [list, tuple])
def test_so_is_a_list_of_them(kind):
    inner = {"class_path": "PGD", "init_args": {"norm": "Linf"}}
    settings = {"attack": inner, "sizes": kind([1 / 255, 0.5])}
    assert attack_call("Growing", settings) == "Growing(attack=PGD(norm=Linf), sizes=[1/255, 0.5])"
    assert attack_call("Growing", {"sizes": "damaged"}) == "Growing(sizes=damaged)"


def test_other_numbers_stay_as_they_are():
    assert attack_call("GaussianBlurControl", {"sigma": 1.0}) == "GaussianBlurControl(sigma=1.0)"
