import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsefront.frontends import D3, d3
from sparsefront.frontends.parts.far_apart import far_apart
from sparsefront.frontends.settings import D3Learning
from tests.helpers.front_end_contract import fitted, seeded
from tests.helpers.grouped import grouped
from tests.helpers.processes_in_threads import ThreadTrainer, in_processes

SHAPE = (3, 13, 16)


def rand(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def with_atoms(atoms, shape=SHAPE, **settings_):
    """A D3 of those atoms (m, L)."""
    small = {"n_atoms": atoms.shape[1], "patch_size": 4, "stride": 2, "n_nonzero_coefs": 3}
    frontend = D3(shape, **small | settings_)
    frontend.dictionary.copy_(torch.nn.functional.normalize(atoms, dim=0))
    frontend.n_chosen.fill_(atoms.shape[1])
    frontend.learned.fill_(True)
    return frontend.eval()


@pytest.mark.parametrize("remove_mean", [False, True])
@pytest.mark.parametrize("stride", [2, 4])
def test_patches_are_restored_as_by_scikit_learn_and_averaged(stride, remove_mean):
    from sklearn.linear_model import orthogonal_mp

    frontend = with_atoms(rand(48, 60, seed=1) - 0.5 * remove_mean, stride=stride, remove_mean=remove_mean).double()
    image, atoms = rand(1, *SHAPE).double(), frontend.dictionary.numpy()
    # A last row or column of patches is flush with the border.
    tops, lefts = ([*range(0, side - 4, stride), side - 4] for side in SHAPE[1:])
    total, count = np.zeros(SHAPE), np.zeros(SHAPE)
    for top in tops:
        for left in lefts:
            patch = image[0, :, top : top + 4, left : left + 4].numpy().reshape(-1)
            mean = patch.mean() if remove_mean else 0
            code = orthogonal_mp(atoms, patch - mean, n_nonzero_coefs=3)
            total[:, top : top + 4, left : left + 4] += (atoms @ code + mean).reshape(3, 4, 4)
            count[:, top : top + 4, left : left + 4] += 1
    np.testing.assert_allclose(frontend(image)[0].numpy(), (total / count).clip(0, 1), atol=1e-8)


def test_an_image_made_of_few_atoms_comes_back_unchanged():
    atoms = rand(16, 40)
    image = torch.zeros(1, 1, 8, 8)
    for block, atom in enumerate((3, 7, 11, 20)):
        top, left = 4 * (block // 2), 4 * (block % 2)
        image[0, 0, top : top + 4, left : left + 4] = 0.8 * atoms[:, atom].reshape(4, 4)
    torch.testing.assert_close(with_atoms(atoms, (1, 8, 8), stride=4)(image), image)


def test_runs_of_images_give_what_all_at_once_give_and_the_same_gradient(monkeypatch):
    frontend, images = with_atoms(rand(48, 60, seed=1)).double(), rand(4, *SHAPE).double().requires_grad_()
    weights = rand(4, *SHAPE, seed=2).double()
    whole = frontend(images)
    (gradient,) = torch.autograd.grad((whole * weights).sum(), images)
    monkeypatch.setattr(d3, "_MAX_BYTES", 1)
    runs = frontend(images)
    torch.testing.assert_close(runs, whole)
    torch.testing.assert_close(torch.autograd.grad((runs * weights).sum(), images)[0], gradient)


def test_exact_gradient_projects_each_patch_onto_its_atoms():
    frontend = with_atoms(rand(48, 60, seed=1), (3, 4, 4)).double()
    image = (0.2 + 0.6 * rand(1, 3, 4, 4)).double().requires_grad_()
    jacobian = torch.autograd.functional.jacobian(frontend.stand_in("exact"), image).reshape(48, 48)
    torch.testing.assert_close(jacobian @ jacobian, jacobian)
    torch.testing.assert_close(jacobian.T, jacobian)
    assert torch.linalg.matrix_rank(jacobian) == 3


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 999), limit=st.sampled_from([0.3, 0.6, 0.9, 1.0]), number=st.integers(0, 30))
def test_atoms_are_taken_as_one_by_one(seed, limit, number):
    vectors = torch.nn.functional.normalize(
        torch.randn(number + 4, 3, generator=torch.Generator().manual_seed(seed)), dim=1
    ).double()
    chosen, candidates = vectors[:4], vectors[4:]
    kept, expected = list(chosen), []
    for candidate in candidates:
        far = all(abs(float(candidate @ other)) <= limit for other in kept)
        expected.append(far)
        if far:
            kept.append(candidate)
    assert far_apart(candidates, chosen, limit).tolist() == expected


@pytest.mark.parametrize("remove_mean", [False, True])
def test_stage_one_takes_patches_of_the_images_that_are_far_apart(remove_mean):
    images = rand(6, *SHAPE)
    frontend = D3(
        SHAPE, n_atoms=200, patch_size=4, max_correlation=0.8, remove_mean=remove_mean, learning=D3Learning(3)
    )
    number = int(fitted(frontend, images).n_chosen)
    atoms = frontend.dictionary[:, :number]
    assert number > 3
    torch.testing.assert_close(atoms.norm(dim=0), torch.ones(number))
    assert not frontend.dictionary[:, number:].any()
    assert (atoms.T @ atoms - torch.eye(number)).abs().max() <= 0.8 + 1e-5
    every = torch.nn.functional.unfold(images, 4).mT.flatten(0, 1)
    every = every - every.mean(dim=1, keepdim=True) if remove_mean else every
    nearest = torch.cdist(atoms.T, torch.nn.functional.normalize(every, dim=1)).amin(dim=1)
    assert nearest.max() < 2e-3
    assert frontend.atoms().shape == (number, 3, 4, 4)


def test_stage_one_stops_at_a_full_dictionary_and_follows_its_seed():
    images = rand(6, *SHAPE)
    first, second, other = (
        fitted(D3(SHAPE, n_atoms=20, patch_size=4, max_correlation=1.0, learning=D3Learning(3, seed=seed)), images)
        for seed in (0, 0, 1)
    )
    assert int(first.n_chosen) == 20
    assert first.dictionary.shape == (48, 20)
    assert torch.equal(first.dictionary, second.dictionary)
    assert not torch.equal(first.dictionary, other.dictionary)


def test_processes_share_the_patches_that_each_has_drawn():
    settings_ = {"n_atoms": 12, "patch_size": 4, "max_correlation": 0.9}

    def learned(strategy):
        frontend = D3(SHAPE, learning=D3Learning(patches_per_iteration=20), **settings_)
        frontend._trainer = ThreadTrainer(strategy)
        frontend.learn_from(rand(4, *SHAPE, seed=strategy.global_rank))
        return frontend.dictionary

    first, second = in_processes(2, learned)
    assert torch.equal(first, second)
    alone = fitted(D3(SHAPE, learning=D3Learning(1, 10), **settings_), rand(4, *SHAPE)).dictionary
    n_of_the_first = int((alone != 0).any(dim=0).sum())
    assert torch.equal(first[:, :n_of_the_first], alone[:, :n_of_the_first])  # as its patches come first
    assert n_of_the_first < int((first != 0).any(dim=0).sum())


def test_images_without_content_teach_nothing_and_it_says_so():
    frontend = D3(SHAPE, n_atoms=20)
    with pytest.raises(ValueError, match="must hold patches that are not blank, found none"):
        fitted(frontend, torch.zeros(2, *SHAPE))


def test_a_share_of_the_atoms_is_drawn_anew_in_every_call():
    frontend = with_atoms(rand(48, 60, seed=1), atoms_share=0.25)
    assert frontend.randomised
    drawn = seeded(lambda _: frontend._drawn_atoms(), rand(1))
    assert drawn.shape == (48, 15)
    assert (torch.cdist(drawn.T, frontend.dictionary.T, p=1).amin(dim=1) == 0).all()
    assert not torch.equal(frontend._drawn_atoms(), frontend._drawn_atoms())
    # In floating point 0.28 * 25 is above 7.
    assert with_atoms(rand(48, 25, seed=1), atoms_share=0.28)._drawn_atoms().shape == (48, 7)


def test_before_stage_one_it_says_so():
    with pytest.raises(RuntimeError, match="has not learned yet"):
        D3(SHAPE, n_atoms=10)(rand(1, *SHAPE))


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"patch_size": 14}, "`patch_size` must be from 1 to the image's smaller side 13, found 14"),
        ({"stride": 9}, "`stride` must be from 1 to `patch_size` = 8, found 9"),
        ({"n_nonzero_coefs": 31}, "`n_nonzero_coefs` must be from 1 to `n_atoms` = 30, found 31"),
        ({"max_correlation": 0.0}, "`max_correlation` must be above 0 and at most 1, found 0"),
        ({"atoms_share": 1.5}, "`atoms_share` must be above 0 and at most 1, found 1.5"),
        ({"n_iterations": 0}, "`n_iterations` must be at least 1, found 0"),
        ({"patches_per_iteration": 0}, "`patches_per_iteration` must be at least 1, found 0"),
    ],
)
def test_a_setting_out_of_range_is_named(settings_, message):
    with pytest.raises(ValueError, match=message):
        D3(SHAPE, **grouped({"n_atoms": 30, **settings_}, learning=D3Learning))
