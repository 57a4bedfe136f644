import numpy as np
import pytest

from sparsefront.figures.atoms import _mosaic, _roughness, atoms_figure
from tests.helpers.drawn import drawn_texts


def test_smooth_atoms_come_first():
    checks = np.indices((4, 4)).sum(0) % 2 * 2.0 - 1
    ramp = np.tile(np.arange(4.0), (4, 1))
    flat = np.ones((4, 4))
    atoms = np.stack([checks, ramp, flat, np.zeros((4, 4))])[:, None]
    rough = _roughness(atoms)
    assert rough[[3, 2, 1, 0]].tolist() == sorted(rough)
    assert rough[0] == 24 * 4 / 16  # 24 neighbouring pairs that differ by 2
    figure = atoms_figure(atoms)
    drawn_texts(figure)
    shown = figure.axes[0].images[0].get_array()
    assert (shown[:4, :4, 0] == 1).all()  # flat before the atom of zeros, for ties keep their order
    assert np.allclose(shown[:4, 5:9, 0], 0.5)
    assert np.allclose(shown[:4, 15:19, 0], checks / 2 + 0.5)


def test_mosaic_holds_each_atom_scaled_by_its_peak():
    atoms = np.arange(1.0, 4)[:, None, None, None] * np.array([[1.0, -1], [0, 0.5]])
    mosaic = _mosaic(atoms)
    assert mosaic.shape == (2, 8, 4)
    for place in (0, 3, 6):
        assert np.allclose(mosaic[:, place : place + 2, 0], [[1, 0], [0.5, 0.75]])
    assert (mosaic[:, [2, 5], 3] == 0).all()


@pytest.mark.parametrize("shape", [(4, 4), (0, 1, 4, 4)])
def test_atoms_of_a_wrong_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"`atoms` must have shape \(L, C, n, n\)"):
        atoms_figure(np.zeros(shape))


def test_many_atoms_are_thinned_and_the_title_says_so():
    figure = atoms_figure(np.random.default_rng(0).standard_normal((2000, 3, 3, 3)))
    assert figure.axes[0].get_title().startswith("1000 of 2000 atoms")
