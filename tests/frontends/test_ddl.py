import numpy as np
import pytest
import torch
from sklearn.datasets import load_sample_image
from sklearn.decomposition import PCA, MiniBatchDictionaryLearning, sparse_encode
from sklearn.feature_extraction.image import extract_patches_2d, reconstruct_from_patches_2d
from sklearn.linear_model import Lasso

import sparsefront.frontends.ddl
from sparsecode import extract_patches, omp
from sparsecode.batch_learner import BatchLearner
from sparsecode.factorisation import Factorisation
from sparsefront.common.processes import Processes
from sparsefront.frontends import DDL
from sparsefront.frontends.parts.factorisation_learner import FactorisationLearner
from sparsefront.frontends.settings import DDLLearning
from tests.helpers.front_end_contract import assert_keeps_the_contract, fitted
from tests.helpers.grouped import grouped
from tests.helpers.precision import DTYPE
from tests.helpers.processes_in_threads import in_processes

SHAPE = (1, 10, 10)


def random_atoms(frontend: DDL, seed: int = 0) -> DDL:
    """A front end with random unit-norm atoms in place of learned ones."""
    atoms = torch.randn(frontend.dictionary.shape, generator=torch.Generator().manual_seed(seed))
    if frontend.factors == "nmf":
        atoms = atoms.abs()
    frontend.dictionary.copy_(torch.nn.functional.normalize(atoms, dim=0))
    frontend.learned.fill_(True)
    return frontend.eval()


def pictures(number: int, shape: tuple[int, int, int] = SHAPE, seed: int = 0) -> torch.Tensor:
    """Crops of a photograph."""
    photo = torch.from_numpy(load_sample_image("flower.jpg").copy()).permute(2, 0, 1).to(DTYPE) / 255
    photo = photo[1:2] if shape[0] == 1 else photo
    draw = np.random.RandomState(seed)
    places = zip(draw.randint(100, 300, number), draw.randint(200, 400, number), strict=True)
    return torch.stack([photo[:, y : y + shape[1], x : x + shape[2]] for y, x in places])


def psnr(image, other):
    return -10 * np.log10(np.square(np.asarray(image) - np.asarray(other)).mean())


def algorithm_1(patch, dictionary, n_nonzero_coefs, rule):
    """Paper 000: the active set grows by one atom at a time, all of its coefficients are fitted anew."""

    def error(active):
        found = np.linalg.lstsq(dictionary[:, active], patch, rcond=None)[0]
        return np.square(patch - dictionary[:, active] @ found).sum()

    active, residual = [], patch
    for _ in range(n_nonzero_coefs):
        rest = [atom for atom in range(dictionary.shape[1]) if atom not in active]
        if rule == "ormp":  # as printed: the atom that reduces the objective
            active.append(min(rest, key=lambda atom: error([*active, atom])))
        else:  # as told: the one most correlated with the residual
            active.append(max(rest, key=lambda atom: abs(dictionary[:, atom] @ residual)))
        fit = dictionary[:, active] @ np.linalg.lstsq(dictionary[:, active], patch, rcond=None)[0]
        residual = patch - fit
    return fit


def plainly_restored(image, dictionary, n_nonzero_coefs, size, stride, rule):
    """One (C, H, W) image, one patch at a time."""
    total, count = np.zeros_like(image), np.zeros_like(image)
    corners = [
        sorted({*range(0, side - size + 1, stride), side - size}) for side in image.shape[1:]
    ]  # the last one lies flush with the border
    for top in corners[0]:
        for left in corners[1]:
            window = np.s_[:, top : top + size, left : left + size]
            patch = image[window].ravel()
            fit = algorithm_1(patch - patch.mean(), dictionary, n_nonzero_coefs, rule)
            total[window] += (fit + patch.mean()).reshape(image[window].shape)
            count[window] += 1
    return np.clip(total / count, 0, 1)


@pytest.mark.parametrize("rule", ["ormp", "omp"])
@pytest.mark.parametrize(("shape", "stride"), [((1, 6, 7), 1), ((3, 6, 7), 3)])
def test_an_image_becomes_the_mean_of_its_patches_coded_by_algorithm_1(rule, shape, stride):
    frontend = random_atoms(DDL(shape, n_atoms=15, n_nonzero_coefs=3, patch_size=4, stride=stride, rule=rule)).double()
    images = torch.rand(2, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    expected = [plainly_restored(image, frontend.dictionary.numpy(), 3, 4, stride, rule) for image in images.numpy()]
    torch.testing.assert_close(frontend(images), torch.from_numpy(np.stack(expected)), atol=1e-7, rtol=0)


def centred_patches(photo):
    patches = extract_patches_2d(photo, (8, 8)).reshape(-1, 64 * photo.shape[2])
    means = patches.mean(axis=1, keepdims=True)
    return patches - means, means


@pytest.mark.filterwarnings("ignore:Objective did not converge")  # any dictionary will do
@pytest.mark.parametrize("channels", [1, 3])
def test_restores_a_photograph_as_scikit_learn_does(channels):
    photo = load_sample_image("china.jpg")[200:240, 60:105] / 255.0
    photo = photo if channels == 3 else photo.mean(axis=2, keepdims=True)
    noisy = np.clip(photo + 0.1 * np.random.RandomState(0).randn(*photo.shape), 0, 1)
    learner = MiniBatchDictionaryLearning(100, alpha=0.2, batch_size=40, max_iter=1, fit_algorithm="cd", random_state=0)
    atoms = learner.fit(centred_patches(photo)[0][::8]).components_
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    patches, means = centred_patches(noisy)

    frontend = DDL((channels, *photo.shape[:2]), n_atoms=100, rule="omp")
    # scikit-learn's entries of a patch go pixel by pixel, ours channel by channel.
    frontend.dictionary.copy_(torch.from_numpy(atoms).unflatten(1, (64, channels)).mT.flatten(1).T)
    frontend.learned.fill_(True)
    for n_nonzero_coefs in (2, 6):
        codes = sparse_encode(patches, atoms, algorithm="omp", n_nonzero_coefs=n_nonzero_coefs)
        windows = (codes @ atoms + means).reshape(-1, 8, 8, channels).squeeze()
        expected = reconstruct_from_patches_2d(windows, photo.squeeze().shape).clip(0, 1).reshape(photo.shape)
        frontend.n_nonzero_coefs = n_nonzero_coefs
        found = frontend(torch.from_numpy(noisy).permute(2, 0, 1)[None].float())[0].permute(1, 2, 0).numpy()
        assert psnr(found, photo) == pytest.approx(psnr(expected, photo), abs=0.05)
        assert psnr(found, expected) > 45
        assert psnr(found, photo) > psnr(noisy, photo) + 2  # it does restore


def test_pca_with_all_nonzeros_is_scikit_learns_projection_of_every_patch():
    images = (pictures(20) + torch.linspace(0, 1, 10)) / 2  # so that the mean patch is a ramp
    frontend = fitted(
        DDL(SHAPE, n_atoms=6, n_nonzero_coefs=None, patch_size=4, factors="pca", learning=DDLLearning(n_iterations=40)),
        images,
    ).double()
    torch.testing.assert_close(frontend.dictionary.T @ frontend.dictionary, torch.eye(6).double(), atol=1e-5, rtol=0)

    patches = extract_patches(images.double(), 4, 1)
    means = patches.mean(dim=2, keepdim=True)
    centred = (patches - means).flatten(0, 1).numpy()
    pca = PCA(6).fit(centred)
    assert np.abs(pca.mean_).max() > 0.05
    np.testing.assert_allclose(frontend.offset, pca.mean_, atol=0.02)
    variance = np.square(centred).sum()
    left = np.square(centred - pca.inverse_transform(pca.transform(centred))).sum() / variance
    ours = pca.__class__(6).fit(centred)
    ours.components_, ours.mean_ = frontend.dictionary.T.numpy(), frontend.offset.numpy()
    projected = ours.inverse_transform(ours.transform(centred))
    assert np.square(centred - projected).sum() / variance == pytest.approx(left, rel=0.02)  # as good a subspace

    rebuilt = torch.from_numpy(projected).reshape(patches.shape) + means
    expected = sparsefront.frontends.ddl.average_patches(rebuilt, (10, 10), 4, 1).clamp(0, 1)
    torch.testing.assert_close(frontend(images.double()), expected, atol=1e-6, rtol=0)


def test_nmf_codes_patches_by_a_nonnegative_lasso_of_nonnegative_atoms():
    images = pictures(20)
    settings = {"n_atoms": 10, "patch_size": 4, "stride": 2, "factors": "nmf", "lmbda": 0.02}
    frontend = fitted(DDL(SHAPE, learning=DDLLearning(n_iterations=10), **settings), images).double()
    assert frontend.dictionary.min() >= 0
    torch.testing.assert_close(frontend.dictionary.norm(dim=0), torch.ones(10).double(), atol=1e-6, rtol=0)
    images = torch.rand(1, *SHAPE, generator=torch.Generator().manual_seed(2)).double()
    patches = extract_patches(images, 4, 2)
    coder = Lasso(alpha=0.02 / 16, positive=True, fit_intercept=False, tol=1e-12, max_iter=100_000)
    codes = [coder.fit(frontend.dictionary.numpy(), patch).coef_ for patch in patches[0].numpy()]
    rebuilt = torch.from_numpy(np.stack(codes)) @ frontend.dictionary.T
    expected = sparsefront.frontends.ddl.average_patches(rebuilt[None], (10, 10), 4, 2).clamp(0, 1)
    torch.testing.assert_close(frontend(images), expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    "settings",
    [
        {"factors": "pca", "n_atoms": 12, "n_nonzero_coefs": None},
        {"factors": "nmf", "n_atoms": 12},
        {"learner": "batch", "n_atoms": 20, "n_passes": 2, "rule": "omp", "noise": "sign"},
    ],
    ids=["pca", "nmf", "batch"],
)
def test_every_way_to_learn_keeps_the_contract(settings):
    frontend = DDL((3, 9, 11), patch_size=4, stride=3, **grouped(settings | {"n_iterations": 3}, learning=DDLLearning))
    assert_keeps_the_contract(fitted(frontend, pictures(8, (3, 9, 11))), pictures(4, (3, 9, 11), seed=1))


def coding_error(frontend, images):
    patches = extract_patches(images, frontend.patch_size, 1).flatten(0, 1)
    patches = patches - patches.mean(dim=1, keepdim=True)
    codes = omp(patches, frontend.dictionary, frontend.n_nonzero_coefs, rule=frontend.rule).codes
    return (patches - codes @ frontend.dictionary.T).square().sum().item()


@pytest.mark.parametrize("learner", ["online", "batch"])
def test_a_learned_dictionary_codes_better_than_the_patches_it_began_with(learner):
    images, unseen = pictures(40), pictures(40, seed=1)
    settings = {"n_atoms": 24, "patch_size": 5, "lmbda": 0.05}
    begun = fitted(DDL(SHAPE, learning=DDLLearning(learner, 1, 1, n_passes=1), **settings), images)
    learned = fitted(DDL(SHAPE, learning=DDLLearning(learner, 40, n_passes=15), **settings), images)
    torch.testing.assert_close(learned.dictionary.norm(dim=0), torch.ones(24))
    assert learned.dictionary.sum(dim=0).abs().max() < 1e-3  # of mean 0, as the patches are
    assert coding_error(learned, unseen) < 0.8 * coding_error(begun, unseen)


def test_the_seed_and_the_noise_decide_what_is_learned():
    images = pictures(20)

    def dictionary(**settings):
        frontend = DDL(SHAPE, n_atoms=10, patch_size=4, learning=DDLLearning(n_iterations=3, **settings))
        return fitted(frontend, images).dictionary

    assert torch.equal(dictionary(), dictionary())
    assert torch.equal(dictionary(noise="none"), dictionary(eps=0.1))
    different = [
        dictionary(),
        dictionary(seed=1),
        dictionary(noise="sign"),
        dictionary(noise="uniform"),
    ]
    assert len({tuple(found.flatten().tolist()) for found in different}) == 4


@pytest.mark.parametrize(("kind", "power"), [("sign", 0.04), ("uniform", 0.04 / 3)])
def test_noise_on_training_images_has_the_size_that_is_asked_for(kind, power):
    frontend = DDL((1, 40, 40), patch_size=8, learning=DDLLearning(noise=kind, eps=0.2))
    gray = torch.full((4, 1, 40, 40), 0.5)
    patches = frontend._draw(gray, 500, torch.Generator().manual_seed(0))
    assert patches.square().mean().item() == pytest.approx(power * 63 / 64, rel=0.02)  # without its mean
    assert (patches[0].max() - patches[0].min()).item() <= 0.4 + 1e-6


def test_patches_kept_are_passed_over_by_the_method_of_optimal_directions():
    start, patches = torch.randn(6, 5), torch.randn(90, 5)
    learner = BatchLearner(start, lambda y, d: omp(y, d, 2), n_kept=3)
    for kept in patches.split(30):
        assert learner.step(kept, lambda tensor: tensor) == {}
    errors = [learner.step(patches[:0], lambda tensor: tensor)["half_residual"] for _ in range(5)]
    codes = omp(patches, torch.nn.functional.normalize(start.T, dim=0), 2).codes
    first = 0.5 * (patches - codes @ torch.nn.functional.normalize(start.T, dim=0).T).square().sum(dim=1).mean()
    assert errors[0] == pytest.approx(first.item(), rel=1e-4)
    assert min(errors[1:]) < 0.98 * errors[0]


def test_processes_factorise_the_patches_of_all():
    start, stream = torch.rand(4, 16) + 0.1, [torch.rand(30, 16) + 0.1, torch.rand(20, 16) + 0.1]

    def learned(strategy):
        learner = FactorisationLearner(
            Factorisation("pca", start, seed=0), Processes(strategy), lambda patches, atoms: patches @ atoms
        )
        metrics = learner.step(stream[strategy.global_rank])
        return learner.dictionary, learner.offset, metrics

    alone = Factorisation("pca", start, seed=0)
    alone.step(torch.cat(stream))
    for dictionary, offset, metrics in in_processes(2, learned):
        assert torch.equal(dictionary, alone.dictionary)
        assert torch.equal(offset, alone.offset)
        assert metrics["half_residual"] > 0


def test_an_atom_that_went_out_comes_back_flat():
    factors = Factorisation("nmf", torch.rand(4, 9) + 0.1, seed=0)
    factors._model.components_[1] = 0
    assert torch.allclose(factors.dictionary[:, 1], torch.full((9,), 1 / 3))


def test_flat_images_are_handed_on():
    frontend = random_atoms(DDL(SHAPE, n_atoms=20, patch_size=4))
    for value in (0.0, 0.3, 1.0):
        flat = torch.full((1, *SHAPE), value)
        torch.testing.assert_close(frontend(flat), flat, atol=1e-6, rtol=0)


def projection_of_patches(frontend, images):
    """The derivative's own formula: the mean, plus the projection of the rest onto the atoms chosen."""
    patches = extract_patches(images, frontend.patch_size, frontend.stride, cover=True)
    means = patches.mean(dim=2, keepdim=True)
    chosen = omp((patches - means).detach().flatten(0, 1), frontend.dictionary, frontend.n_nonzero_coefs, rule="ormp")
    held = [frontend.dictionary[:, code != 0] for code in chosen.codes]
    projectors = torch.stack([atoms @ torch.linalg.pinv(atoms) for atoms in held]).unflatten(0, patches.shape[:2])
    rebuilt = (projectors @ (patches - means)[..., None])[..., 0] + means
    size = tuple(images.shape[2:])
    return sparsefront.frontends.ddl.average_patches(rebuilt, size, frontend.patch_size, frontend.stride)


def test_projection_differentiates_past_the_clamp_and_exact_does_not():
    frontend = random_atoms(DDL(SHAPE, n_atoms=20, patch_size=4, stride=2)).double()
    images = torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(0)).double().round().requires_grad_()
    weights = torch.rand(images.shape, generator=torch.Generator().manual_seed(1)).double()
    restored = projection_of_patches(frontend, images)
    assert (restored < 0).any()
    assert (restored > 1).any()
    torch.testing.assert_close(frontend(images), restored.clamp(0, 1))
    for mode, formula in (("projection", restored), ("exact", restored.clamp(0, 1))):
        (expected,) = torch.autograd.grad((formula * weights).sum(), images, retain_graph=True)
        (found,) = torch.autograd.grad((frontend.stand_in(mode)(images) * weights).sum(), images)
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("mode", ["exact", "projection", "identity"])
def test_a_large_batch_is_restored_in_runs_to_the_same_values_and_gradients(mode, monkeypatch):
    frontend = random_atoms(DDL(SHAPE, n_atoms=20, patch_size=4))
    images = torch.rand(7, *SHAPE).requires_grad_()
    rows = []
    code = frontend._code
    monkeypatch.setattr(frontend, "_code", lambda patches, atoms: rows.append(len(patches)) or code(patches, atoms))

    def value_and_gradient():
        rows.clear()
        out = frontend.stand_in(mode)(images)
        return out, torch.autograd.grad(out.square().sum(), images)[0]

    whole = value_and_gradient()
    assert rows == [7 * 49]
    monkeypatch.setattr(sparsefront.frontends.ddl, "_MAX_BYTES", 2 * 49 * DTYPE.itemsize * (4 * 16 + 3 * 20))
    for found, expected in zip(value_and_gradient(), whole, strict=True):
        torch.testing.assert_close(found, expected)
    assert sorted(rows[:4]) == [49, 2 * 49, 2 * 49, 2 * 49]
    assert len(rows) == (4 if mode == "identity" else 8)  # codes are found again rather than kept


def test_images_may_differ_in_size_from_those_it_was_built_for():
    frontend = random_atoms(DDL(SHAPE, n_atoms=20, patch_size=4, stride=3))
    assert frontend(torch.rand(2, 1, 13, 17)).shape == (2, 1, 13, 17)


def test_atoms_are_pictures_of_the_dictionarys_columns():
    frontend = random_atoms(DDL((3, 9, 9), n_atoms=5, patch_size=4))
    assert frontend.atoms().shape == (5, 3, 4, 4)
    assert torch.equal(frontend.atoms()[2].flatten(), frontend.dictionary[:, 2])


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"rule": "mp"}, "`rule` must be one of omp, ormp, found 'mp'"),
        ({"factors": "svd"}, "`factors` must be one of dictionary, pca, nmf, found 'svd'"),
        ({"learner": "ksvd"}, "`learner` must be one of online, batch, found 'ksvd'"),
        ({"noise": "gaussian"}, "`noise` must be one of none, uniform, sign, found 'gaussian'"),
        ({"n_atoms": 0}, "`n_atoms` must be at least 1, found 0"),
        ({"n_iterations": 0}, "`n_iterations` must be at least 1, found 0"),
        ({"patches_per_iteration": 0}, "`patches_per_iteration` must be at least 1, found 0"),
        ({"n_passes": 0}, "`n_passes` must be at least 1, found 0"),
        (
            {"patch_size": 11},
            "`patch_size` must be from 1 to the image's smaller side 10, found 11; lower it, or raise `image_size`",
        ),
        ({"stride": 0}, "`stride` must be from 1 to `patch_size` = 8, found 0"),
        ({"stride": 9}, "`stride` must be from 1 to `patch_size` = 8, found 9; pixels between"),
        ({"n_nonzero_coefs": 0}, "`n_nonzero_coefs` must be from 1 to `n_atoms` = 256, found 0; lower it"),
        ({"n_nonzero_coefs": 3, "n_atoms": 2}, "`n_nonzero_coefs` must be from 1 to `n_atoms` = 2, found 3"),
        ({"factors": "pca"}, "`n_atoms` must be at most the 64 entries of a patch with `factors: pca`, found 256"),
        ({"lmbda": 0.0}, "`lmbda` must be positive and finite, found 0"),
        ({"lmbda": float("inf")}, "`lmbda` must be positive and finite, found inf"),
        ({"factors": "nmf", "learner": "batch"}, "`learner` must be left at online with `factors: nmf`, found batch"),
        ({"factors": "pca", "n_atoms": 9, "learner": "batch"}, "`learner` must be left at online with `factors: pca`"),
        ({"factors": "nmf", "n_nonzero_coefs": 3}, "`n_nonzero_coefs` and `rule` must be left out .* found 3 and ormp"),
        ({"factors": "nmf", "rule": "omp"}, "`n_nonzero_coefs` and `rule` must be left out .* found 2 and omp"),
        ({"eps": "300/255"}, "`eps` must be from 0 to 1, found 1.17647; write it in"),
    ],
)
def test_a_setting_out_of_range_is_named(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        DDL((1, 10, 12), **grouped(settings, learning=DDLLearning))


@pytest.mark.parametrize("settings", [{"n_nonzero_coefs": None}, {"n_atoms": 1}], ids=str)
def test_nmf_is_not_held_to_a_bound_that_it_does_not_know(settings):
    assert DDL(SHAPE, factors="nmf", **settings).factors == "nmf"


@pytest.mark.parametrize("mode", ["exact", "projection", "identity"])
@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        (torch.zeros(1, *SHAPE, dtype=torch.uint8), r"must be floating point in \[0, 1\], found torch.uint8; divide"),
        (torch.rand(1, 3, 10, 10), r"must have shape \(B, 1, H, W\) .* found \(1, 3, 10, 10\); check the data's"),
        (torch.rand(1, 1, 20, 7), r"must have at least 8 pixels a side .* found \(20, 7\); serve larger ones"),
    ],
)
def test_images_that_cannot_be_restored_are_named(images, sentence, mode):
    frontend = random_atoms(DDL(SHAPE, n_atoms=20))
    with pytest.raises(ValueError, match=f"`images` {sentence}"):
        frontend.stand_in(mode)(images)


@pytest.mark.parametrize("factors", ["dictionary", "nmf"])
def test_a_pixel_next_to_nothing_is_nothing_whatever_its_batch_mates(factors):
    frontend = random_atoms(DDL(SHAPE, n_atoms=20, patch_size=4, factors=factors))
    dark = torch.zeros(1, *SHAPE)
    dark[..., 5, 5] = 1e-20
    mate = torch.rand(1, *SHAPE)
    for mode in frontend.backward_modes():
        assert frontend.stand_in(mode)(dark.clone().requires_grad_()).abs().max() < 1e-19
    torch.testing.assert_close(frontend(torch.cat([dark, mate]))[1:], frontend(mate))


def test_patches_that_are_not_finite_are_named():
    images = torch.rand(1, *SHAPE)
    images[..., 5, 5] = torch.nan
    with pytest.raises(ValueError, match="`signals` must be finite"):
        random_atoms(DDL(SHAPE, n_atoms=20))(images)


def test_patches_kept_take_no_more_memory_than_their_own():
    frontend = DDL(SHAPE, patch_size=4)
    patches = frontend._draw(torch.rand(4, *SHAPE), 30, torch.Generator().manual_seed(0))
    assert len(patches) == 30
    assert patches.untyped_storage().nbytes() == 30 * 16 * DTYPE.itemsize


def test_a_front_end_that_has_not_learned_says_so():
    with pytest.raises(RuntimeError, match="has not learned yet"):
        DDL(SHAPE)(torch.rand(1, *SHAPE))


def test_too_few_patches_to_start_from_are_named():
    with pytest.raises(ValueError, match="at least `n_atoms` = 256 patches that are not flat, found 0"):
        fitted(DDL(SHAPE), torch.full((4, *SHAPE), 0.5))
