import gc

import numpy as np
import pytest
import torch
from sklearn.linear_model import orthogonal_mp_gram

from sparsecode import average_patches, extract_patches
from sparsefront.frontends import RegionSparse
from sparsefront.frontends.parts.benign_patches import benign_patches
from sparsefront.frontends.parts.bilateral_filter import bilateral_filter
from sparsefront.frontends.parts.non_local_means import non_local_means
from sparsefront.frontends.settings import BackgroundFilter, ObjectRegion, RegionSparseCodes, RegionSparseLearning
from tests.helpers.digits import digits
from tests.helpers.front_end_contract import assert_keeps_the_contract, fitted
from tests.helpers.grouped import grouped

SHAPE = (3, 24, 26)
SMALL = {"n_atoms": 60, "n_nonzero_coefs": 4, "patch_size": 4, "diameter": 5}


def untrained(**settings):
    return RegionSparse(**in_groups({"image_shape": SHAPE, "dictionary": "random", **SMALL, **settings})).eval()


def in_groups(settings):
    groups = {"region": ObjectRegion, "background": BackgroundFilter, "learning": RegionSparseLearning}
    return grouped(settings, codes=RegionSparseCodes, **groups)


def photograph(shape=SHAPE):
    """Smooth, with a textured square: an object."""
    rows, columns = torch.meshgrid(torch.linspace(0, 1, shape[1]), torch.linspace(0, 1, shape[2]), indexing="ij")
    image = (0.3 + 0.2 * rows + 0.1 * columns).repeat(1, shape[0], 1, 1)
    image[..., 8:16, 9:17] += 0.4 * torch.rand(1, shape[0], 8, 8)
    return image


def restored_by_scikit_learn(patches, dictionary, n_nonzero_coefs):
    dictionary = dictionary.double().numpy()
    gram, correlations = dictionary.T @ dictionary, dictionary.T @ patches.double().numpy().T
    codes = orthogonal_mp_gram(gram, correlations, n_nonzero_coefs=n_nonzero_coefs)
    return torch.from_numpy((dictionary @ codes).T)


def restored_patches(images, frontend):
    """All patches of the images (B, P, m), each coded by scikit-learn in the normalisation of the front end."""
    patches = extract_patches(images.double(), 4, 2, cover=True)
    offset, scale = {
        "zscore": (patches.mean(dim=1, keepdim=True), patches.std(dim=1, correction=0, keepdim=True)),
        "patch_mean": (patches.mean(dim=2, keepdim=True), torch.ones(1)),
        "none": (torch.zeros(1), torch.ones(1)),
    }[frontend.codes.normalise]
    restored = restored_by_scikit_learn(((patches - offset) / scale).flatten(0, 1), frontend.dictionary, 4)
    return (offset + scale * restored.view_as(patches)).to(images.dtype)


@pytest.mark.parametrize("normalise", ["zscore", "patch_mean", "none"])
def test_coding_the_whole_image_is_scikit_learns_omp_averaged_over_patches(normalise):
    frontend = untrained(shape="all", normalise=normalise)
    images = 0.2 + 0.6 * torch.rand(2, *SHAPE)
    expected = average_patches(restored_patches(images, frontend), SHAPE[1:], 4, 2).clamp(0, 1)
    torch.testing.assert_close(frontend(images), expected, atol=2e-5, rtol=0)


@pytest.mark.parametrize("theta", [1.0, 0.6, 0.0])
@pytest.mark.parametrize("region", ["mask", "box"])
def test_each_pixel_is_the_mean_over_its_patches_coded_ones_if_they_touch_the_object(region, theta):
    frontend = untrained(shape=region, theta=theta, normalise="patch_mean")
    images = torch.cat([photograph(), photograph().flip(3)])
    background = bilateral_filter(images, 5, 50 / 255, 3.0)
    found = frontend.region(images).float().expand(-1, 3, -1, -1)
    filtered, inside = (extract_patches(x, 4, 2, cover=True) for x in (background, found))
    touching = inside.any(dim=2, keepdim=True)
    assert 0 < touching.float().mean() < 1
    coded = theta * restored_patches(images, frontend) + (1 - theta) * filtered
    expected = average_patches(torch.where(touching, coded, filtered), SHAPE[1:], 4, 2).clamp(0, 1)
    torch.testing.assert_close(frontend(images), expected, atol=2e-5, rtol=0)


def test_object_and_background_are_what_their_names_say():
    frontend, images = untrained(), photograph()
    out, region = frontend(images), frontend.region(images)
    coded = untrained(shape="all")(images)
    background = bilateral_filter(images, 5, 50 / 255, 3.0)
    near = torch.nn.functional.max_pool2d(region.float(), 7, 1, 3) > 0  # a patch of 4 pixels reaches 3 beyond
    inside, outside = region.expand_as(images), ~near.expand_as(images)
    assert inside.any()
    assert outside.any()
    torch.testing.assert_close(out[inside], coded[inside], atol=1e-6, rtol=0)
    torch.testing.assert_close(out[outside], background[outside], atol=1e-6, rtol=0)


def test_the_share_of_the_code_falls_by_steps_away_from_the_object():
    """What shows a seam: a background of another level than the codes."""
    frontend = untrained(image_shape=(1, 40, 40), patch_size=8, normalise="none", shape="box", threshold="mean")
    frontend.dictionary.copy_(torch.nn.functional.normalize(torch.ones(64, 60), dim=0))  # every code is the mean
    image = torch.full((1, 1, 40, 40), 0.5)
    image[..., 16:24, 16:24] = torch.rand(8, 8)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(BackgroundFilter, "__call__", lambda self, images: torch.zeros_like(images))
        out = frontend(image)[0, 0]
    row = out[20]  # from the background, through the object, to the background
    assert row[0] == row[-1] == 0
    assert row.max() > 0.4
    assert (row[1:] - row[:-1]).abs().max() < 0.2


def test_as_many_atoms_as_pixels_give_the_object_back():
    frontend = untrained(n_atoms=60, n_nonzero_coefs=60, dictionary="dct", background=None)
    images = photograph()
    torch.testing.assert_close(frontend(images), images, atol=1e-4, rtol=0)


def test_without_suppression_the_background_stays_as_it_is():
    frontend, images = untrained(background=None), photograph()
    far = torch.nn.functional.max_pool2d(frontend.region(images).float(), 7, 1, 3) == 0
    out = frontend(images)
    torch.testing.assert_close(out[far.expand_as(out)], images[far.expand_as(out)], atol=1e-6, rtol=0)
    assert not torch.equal(untrained()(images)[far.expand_as(out)], out[far.expand_as(out)])


@pytest.mark.parametrize(("fallback", "share"), [("all", 1.0), ("none", 0.0)])
def test_where_nothing_is_found_the_fallback_decides_for_that_image_alone(fallback, share):
    frontend = untrained(fallback=fallback)
    images = torch.cat([torch.full((1, *SHAPE), 0.4), photograph()])
    region = frontend.region(images)
    assert region.shape == (2, 1, *SHAPE[1:])
    assert region.dtype == torch.bool
    assert region[0].float().mean() == share
    assert 0 < region[1].float().mean() < 0.7
    out = frontend(images)
    torch.testing.assert_close(out[1:], frontend(images[1:]))
    if fallback == "none":
        torch.testing.assert_close(out[0], images[0])


def test_a_batch_in_which_nothing_at_all_is_found_is_filtered():
    frontend, images = untrained(fallback="none", threshold=4.0), torch.rand(2, *SHAPE)
    torch.testing.assert_close(frontend(images), bilateral_filter(images, 5, 50 / 255, 3.0))


@pytest.mark.parametrize(
    "settings",
    [
        {"dictionary": "dct", "shape": "all", "normalise": "patch_mean"},
        {"background": None, "theta": 0.5, "normalise": "none", "stride": 3},
        {"shape": "box", "keep": "largest", "threshold": "mean"},
    ],
    ids=str,
)
def test_every_ablation_keeps_the_contract(settings):
    assert_keeps_the_contract(untrained(image_shape=(3, 12, 11), **settings), torch.rand(3, 3, 12, 11))


@pytest.mark.parametrize("mode", ["exact", "identity"])
def test_runs_of_patches_change_neither_values_nor_gradients(monkeypatch, mode):
    frontend, images = untrained(), torch.rand(2, *SHAPE)
    weights = torch.rand_like(images)
    found = []
    for most in (2**28, 40_000):
        monkeypatch.setattr("sparsefront.frontends.parts.coded_patches._MAX_BYTES", most)
        x = images.clone().requires_grad_()
        out = frontend.stand_in(mode)(x)
        found.append((out.detach(), torch.autograd.grad((out * weights).sum(), x)[0]))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_no_codes_of_any_run_are_kept_for_the_gradient(monkeypatch):
    monkeypatch.setattr("sparsefront.frontends.parts.coded_patches._MAX_BYTES", 40_000)
    frontend, images = untrained(shape="all"), torch.rand(2, *SHAPE).requires_grad_()
    out = frontend.stand_in("exact")(images)
    gc.collect()
    tensors = [one for one in gc.get_objects() if type(one) is torch.Tensor and one is not frontend.dictionary]
    assert not [one for one in tensors if one.ndim == 2 and one.shape[1] == 60]
    assert torch.autograd.grad(out.sum(), images)[0].any()


def test_exact_passes_only_what_the_chosen_atoms_span():
    frontend = untrained(shape="all", normalise="none", patch_size=4, stride=4, image_shape=(3, 4, 4))
    images = (0.3 + 0.4 * torch.rand(1, 3, 4, 4)).requires_grad_()
    out = frontend.stand_in("exact")(images).flatten()
    weights = torch.randn(48) * (out > 0) * (out < 1)  # what is clipped passes nothing
    (gradient,) = torch.autograd.grad((out * weights).sum(), images)
    chosen = orthogonal_mp_gram(
        (frontend.dictionary.T @ frontend.dictionary).numpy(),
        (frontend.dictionary.T @ images.detach().flatten()).numpy(),
        n_nonzero_coefs=4,
    )
    atoms = frontend.dictionary[:, torch.from_numpy(chosen != 0)]
    expected = atoms @ torch.linalg.lstsq(atoms, weights[:, None]).solution[:, 0]
    torch.testing.assert_close(gradient.flatten(), expected, atol=1e-5, rtol=1e-4)


def test_patches_are_normalised_image_by_image_and_entry_by_entry_as_in_equation_17():
    images = (
        torch.rand(3, 2, 12, 12, generator=torch.Generator().manual_seed(1))
        * torch.tensor([1, 0.1, 0.5])[:, None, None, None]
    )
    patches = benign_patches(images, 4, 7, None, "zscore", torch.Generator().manual_seed(0)).unflatten(0, (3, 7))
    raw = benign_patches(images, 4, 7, None, "none", torch.Generator().manual_seed(0)).unflatten(0, (3, 7))
    for scores, pixels in zip(patches.numpy(), raw.double().numpy(), strict=True):
        np.testing.assert_allclose(scores, (pixels - pixels.mean(axis=0)) / pixels.std(axis=0), atol=2e-4)
    every = extract_patches(images, 4, 1)
    assert all((every[k] == patch).all(dim=1).any() for k in range(3) for patch in raw[k])  # of that image


def test_a_pixel_that_never_changes_scores_0():
    images = torch.rand(2, 1, 8, 8)
    images[...] = images[:, :, :1, :1]
    assert benign_patches(images, 4, 5, None, "zscore", torch.Generator()).abs().max() < 1e-2


def test_patches_are_drawn_from_smoothed_images():
    images = torch.rand(2, 1, 16, 16)
    found = benign_patches(images, 4, 6, 0.3, "none", torch.Generator().manual_seed(0))
    smooth = non_local_means(images, 7, 21, 0.3)
    torch.testing.assert_close(found, benign_patches(smooth, 4, 6, None, "none", torch.Generator().manual_seed(0)))


def test_coding_never_smooths(monkeypatch):
    monkeypatch.setattr("sparsefront.frontends.parts.benign_patches.non_local_means", None)
    untrained()(torch.rand(1, *SHAPE))


LEARNING = {"n_atoms": 40, "n_nonzero_coefs": 3, "patch_size": 5, "patches_per_image": 10, "n_iterations": 5}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("settings", [{}, {"lmbda": 1.2}], ids=["omp", "lasso"])
def test_learned_atoms_code_digits_better_than_the_patches_they_start_from(settings):
    train, test = digits()
    test = test[:50]
    images = torch.cat(train[:2])
    start, learned = (
        fitted(
            RegionSparse((1, 14, 14), **in_groups({**LEARNING, "n_iterations": steps, "shape": "all", **settings})),
            images,
        )
        for steps in (1, 6)
    )
    torch.testing.assert_close(learned.dictionary.norm(dim=0), torch.ones(40))
    assert learned.atoms().shape == (40, 1, 5, 5)
    errors = [(frontend(test) - test).square().mean() for frontend in (start, learned)]
    assert errors[1] < errors[0]


@pytest.mark.filterwarnings("ignore")
def test_a_trainer_learns_the_same_dictionary_from_the_same_seed_and_another_without_smoothing():
    images = torch.rand(8, 1, 10, 10)
    first, again, other, raw = (
        fitted(RegionSparse((1, 10, 10), **in_groups({**LEARNING, "n_iterations": 2, **settings})), images).dictionary
        for settings in ({}, {}, {"seed": 1}, {"smoothing": False})
    )
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)
    assert not torch.allclose(first, raw)


@pytest.mark.filterwarnings("ignore")
def test_too_few_patches_to_start_from_are_named():
    with pytest.raises(ValueError, match=r"first batch must hold at least `n_atoms` = 40 patches .* found 20"):
        fitted(RegionSparse((1, 10, 10), **in_groups(LEARNING)), torch.rand(2, 1, 10, 10))


def test_a_front_end_that_has_not_learned_says_so():
    with pytest.raises(RuntimeError, match="has not learned yet"):
        RegionSparse(SHAPE)(torch.rand(1, *SHAPE))


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)], ids=str)
def test_defaults_fit_the_usual_images(shape):
    images = torch.rand(1, *shape)
    out = RegionSparse(shape, dictionary="dct")(images)
    assert out.isfinite().all()
    assert not torch.equal(out, images)


@pytest.mark.parametrize(("shape", "region"), [((1, 2, 2), "mask"), ((3, 2, 5), "box"), ((1, 1, 1), "all")], ids=str)
def test_the_smallest_images_that_are_accepted_are_coded(shape, region):
    frontend = untrained(image_shape=shape, patch_size=1, n_nonzero_coefs=1, stride=1, diameter=1, shape=region)
    assert frontend(torch.rand(2, *shape)).shape == (2, *shape)


@pytest.mark.parametrize("mode", ["exact", "identity"])
@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        (torch.zeros(1, *SHAPE, dtype=torch.uint8), r"must be floating point in \[0, 1\], found torch.uint8; divide"),
        (torch.rand(1, 1, 24, 26), r"must have shape \(B, 3, H, W\) .* found \(1, 1, 24, 26\); check the data's"),
        (torch.rand(1, 3, 20, 3), r"must have at least 4 pixels a side .* found \(20, 3\); serve larger ones"),
    ],
)
def test_images_that_cannot_be_coded_are_named(images, sentence, mode):
    with pytest.raises(ValueError, match=f"`images` {sentence}"):
        untrained().stand_in(mode)(images)


@pytest.mark.parametrize("normalise", ["zscore", "patch_mean", "none"])
def test_a_pixel_next_to_nothing_is_nothing_whatever_its_batch_mates(normalise):
    frontend, dark, mate = untrained(normalise=normalise), torch.zeros(1, *SHAPE), torch.rand(1, *SHAPE)
    dark[..., 5, 5] = 1e-20
    for mode in frontend.backward_modes():
        assert frontend.stand_in(mode)(dark.clone().requires_grad_()).abs().max() < 1e-19
    torch.testing.assert_close(frontend(torch.cat([dark, mate]))[1:], frontend(mate))


@pytest.mark.parametrize("settings", [{}, {"fallback": "none"}, {"threshold": "mean"}, {"shape": "box"}], ids=str)
def test_an_image_that_is_not_finite_is_named(settings):
    images = torch.rand(2, *SHAPE)
    images[1, 0, 7, 7] = torch.nan
    with pytest.raises(ValueError, match="`signals` must be finite"):
        untrained(**settings)(images)


def test_defaults_are_accepted_for_large_images():
    assert RegionSparse((3, 299, 299), dictionary="dct").image_shape == (3, 299, 299)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"patch_size": 25}, "`patch_size` must be from 1 to the image's smaller side 24, found 25"),
        ({"stride": 5}, "`stride` must be from 1 to `patch_size` = 4, found 5"),
        ({"n_atoms": 0}, "`n_atoms` must be at least 1"),
        ({"n_nonzero_coefs": 61}, "`n_nonzero_coefs` must be from 1 to `n_atoms` = 60, found 61"),
        ({"theta": 1.5}, "`theta` must be from 0 to 1, found 1.5"),
        ({"shape": "circle"}, "`shape` must be one of mask, box, all, found 'circle'"),
        ({"fallback": "some"}, "`fallback` must be one of all, none"),
        ({"normalise": "yes"}, "`normalise` must be one of"),
        ({"dictionary": "gabor"}, "`dictionary` must be one of learned, dct, random, found 'gabor'"),
        ({"h": 0}, "`h` must be positive"),
        ({"lmbda": -1.0}, "`lmbda` must be positive and finite, found -1; write null"),
        ({"lmbda": 1.0}, "`lmbda` must be left out with `dictionary: random`, found 1.0; nothing is learned"),
        (
            {"image_shape": (3, 1, 5), "patch_size": 1, "stride": 1, "diameter": 1},
            r"`image_shape` must have at least 2 pixels a side .* found \(3, 1, 5\); serve larger images, or code all",
        ),
        ({"patches_per_image": 1}, "`patches_per_image` must be at least 2, found 1; a z-score needs 2"),
        ({"n_iterations": 0}, "`n_iterations` must be at least 1"),
        ({"threshold": "best"}, "`threshold` must be otsu, mean"),
        ({"diameter": 6}, "`diameter` must be odd"),
        (
            {"image_shape": (1, 3, 9), "patch_size": 2, "dictionary": "learned", "diameter": 3},
            r"`smoothing` needs images of at least 4 pixels a side, found \(3, 9\)",
        ),
    ],
)
def test_a_setting_out_of_range_is_named(settings, message):
    with pytest.raises(ValueError, match=message):
        untrained(**settings)
