"""STL: what it rebuilds, how it is differentiated, how it learns. Colour images of two kinds: stripes and blobs."""

import re
from functools import cache

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from sparsecode import cbpdn, convolve, correlate, tikhonov_split
from sparsefront.frontends import STL, Compose, Identity
from sparsefront.frontends.parts.previous_codes import PreviousCodes
from tests.helpers.digits import digits
from tests.helpers.front_end_contract import fitted

SHAPE = (3, 16, 18)
SMALL = {
    "n_filters": 10,
    "filter_size": 5,
    "lmbda": 0.1,
    "n_clusters": 2,
    "n_neighbours": 3,
    "n_components": 6,
    "n_references": 40,
    "autoencoder_iterations": 4,
    "reference_iterations": 2,
    "n_iterations": 4,
}


def pictures(n, seed=0, shape=SHAPE):
    """Stripes (even rows) and soft blobs (odd rows), in random colours away from 0 and 1."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.rand(n, 8, 1, 1, 1, generator=generator)
    y, x = torch.meshgrid(torch.arange(shape[1]) / 16, torch.arange(shape[2]) / 16, indexing="ij")
    turn = drawn[:, 0] * 3.14
    stripes = torch.sin((12 + 8 * drawn[:, 1]) * (x * turn.cos() + y * turn.sin()) + 6 * drawn[:, 2])
    blobs = 2 * torch.exp(-20 * ((x - drawn[:, 3]) ** 2 + (y - drawn[:, 4]) ** 2)) - 1
    odd = (torch.arange(n) % 2).view(-1, 1, 1, 1).bool()
    colours = 0.3 + 0.7 * torch.rand(n, shape[0], 1, 1, generator=generator)
    noise = torch.randn(n, *shape, generator=generator)
    return (0.5 + 0.35 * colours * torch.where(odd, blobs, stripes) + 0.01 * noise).clamp(0.02, 0.98)


@cache
def learned(**settings):
    """One that has learned, shared by tests, which must not change it."""
    return fitted(STL(SHAPE, **{**SMALL, **settings}), pictures(24, seed=1))


def like(**settings):
    """One of other settings with what `learned()` learned."""
    frontend = STL(SHAPE, **{**SMALL, **settings})
    frontend.load_state_dict(learned().state_dict())
    return frontend.eval()


def objective(high, filters, codes, lmbda):
    return (high - convolve(codes, filters)).square().sum() / 2 + lmbda * codes.abs().sum()


# what is rebuilt


def test_is_the_smooth_part_plus_filters_laid_at_their_coefficients():
    """In plain numpy: the low-pass part by its normal equations, the rest by the definition of convolution."""
    frontend = STL((2, 8, 7), n_filters=3, filter_size=4, lmbda=0.02, n_clusters=1, padding=3).double()
    generator = torch.Generator().manual_seed(0)
    frontend.filters.copy_(F.normalize(torch.randn(1, 3, 32, generator=generator), dim=2).view(1, 3, 2, 4, 4))
    frontend.learned.fill_(True)
    images = 0.3 + 0.4 * torch.rand(2, 2, 8, 7, generator=generator, dtype=torch.float64)
    codes, filters = frontend.encode(images).to_dense().numpy(), frontend.filters[0].numpy()
    assert (codes != 0).any(axis=(1, 2, 3)).all()
    expected = np.stack([[smooth(channel, 5.0, 3) for channel in image] for image in images.numpy()])
    for image, k, row, column in np.argwhere(codes):
        for i in range(4):
            for j in range(4):
                value = codes[image, k, row, column] * filters[k, :, i, j]
                expected[image, :, (row + i) % 8, (column + j) % 7] += value
    np.testing.assert_allclose(frontend(images).numpy(), expected, atol=1e-10)


def smooth(channel, lmbda, padding):
    """argmin 1/2 ||x - y||^2 + lmbda/2 ||differences of x||^2 of the mirrored channel, by a dense system."""
    y = np.pad(channel, padding, mode="symmetric")
    rows, columns = y.shape
    down, across = (np.eye(n) - np.roll(np.eye(n), 1, axis=1) for n in (rows, columns))
    down, across = np.kron(down, np.eye(columns)), np.kron(np.eye(rows), across)
    x = np.linalg.solve(np.eye(y.size) + lmbda * (down.T @ down + across.T @ across), y.ravel())
    return x.reshape(y.shape)[padding:-padding, padding:-padding]


def test_codes_meet_the_optimality_conditions_with_the_filters_of_their_cluster():
    frontend, images = like(tolerance=1e-3), pictures(4)
    codes, clusters = frontend.encode(images).to_dense(), frontend.assign(images)
    assert clusters.unique().tolist() == [0, 1]
    high = tikhonov_split(images)[1]
    for image, code, k in zip(high, codes, clusters, strict=True):
        free = correlate(image - convolve(code[None], frontend.filters[k]), frontend.filters[k]) + code
        assert (free - free.clamp(-0.1, 0.1) - code).abs().max() < 1.02e-4


def test_the_objective_is_within_a_thousandth_of_sporcos():
    sporco = pytest.importorskip("sporco.admm.cbpdn")
    frontend, images = learned(), pictures(2, seed=3)
    codes, clusters, high = frontend.encode(images).to_dense(), frontend.assign(images), tikhonov_split(images)[1]
    for image, code, k in zip(high, codes, clusters, strict=True):
        filters = frontend.filters[k]
        options = sporco.ConvBPDN.Options({"Verbose": False, "MaxMainIter": 500, "RelStopTol": 5e-4})
        numbers = filters.permute(2, 3, 1, 0).numpy(), image.permute(1, 2, 0).numpy()
        theirs = np.asarray(sporco.ConvBPDN(*numbers, 0.1, options, dimK=0).solve()).reshape(*SHAPE[1:], -1)
        best = objective(image[None], filters, torch.from_numpy(theirs).permute(2, 0, 1)[None], 0.1)
        assert objective(image[None], filters, code[None], 0.1) < 1.001 * best


def test_images_of_different_clusters_in_one_call_come_back_as_they_do_alone():
    frontend, images = learned(), pictures(9)
    assert len(frontend.assign(images).unique()) == 2
    alone = torch.cat([frontend(image[None]) for image in images])
    torch.testing.assert_close(frontend(images), alone, atol=1e-6, rtol=0)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(frontend(images[order]), alone[order], atol=1e-6, rtol=0)


def test_splitting_a_batch_to_bound_memory_changes_nothing(monkeypatch):
    frontend, images = learned(), pictures(7).requires_grad_()
    maps = {name: frontend.stand_in(name) for name in frontend.backward_modes()}
    before = {name: torch.autograd.grad(run(images).square().sum(), images)[0] for name, run in maps.items()}
    value = frontend(images).detach()
    monkeypatch.setattr("sparsefront.frontends.stl.stl._MAX_BYTES", 1)
    torch.testing.assert_close(frontend(images).detach(), value, atol=1e-6, rtol=0)
    for name, run in maps.items():
        torch.testing.assert_close(
            torch.autograd.grad(run(images).square().sum(), images)[0], before[name], atol=1e-4, rtol=1e-4
        )


@pytest.mark.parametrize("size", [(5, 5), (5, 40), (33, 24)])
def test_any_size_from_that_of_a_filter_on_is_rebuilt(size):
    images = pictures(3, shape=(3, *size))
    rebuilt = learned()(images)
    assert rebuilt.shape == images.shape
    assert (rebuilt - images).abs().mean() < 0.1


def test_results_stay_in_the_box_and_rescaling_divides_by_the_largest_value():
    images = (3 * pictures(4) - 1).clamp(0, 1)
    plain, rescaled = like()(images), like(rescale=True)(images)
    assert plain.min() == 0
    assert plain.max() == 1
    torch.testing.assert_close(rescaled.amax(dim=(1, 2, 3)), torch.ones(4))
    images = pictures(4)
    plain = like()(images)
    assert plain.max() < 1
    torch.testing.assert_close(like(rescale=True)(images), plain / plain.amax(dim=(1, 2, 3), keepdim=True))


# backward modes


def slopes(frontend, images, directions):
    """Central differences of each image's sum of squares along its direction."""
    with torch.no_grad():
        above, below = (frontend(images + sign * 1e-6 * directions).square() for sign in (1, -1))
    return (above - below).flatten(1).sum(dim=1) / 2e-6


@pytest.mark.parametrize(("name", "settings"), [("implicit", {}), ("unrolled", {"steps": 200})])
def test_gradients_are_those_of_finite_differences(name, settings):
    frontend = like(tolerance=1e-9, max_iterations=10_000).double()
    images = pictures(2).double()
    assert frontend.assign(images).sum() == 1  # one of each cluster
    x = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(frontend.stand_in(name, tolerance=1e-9, **settings)(x).square().sum(), x)
    generator = torch.Generator().manual_seed(0)
    for _ in range(2):
        directions = torch.randn(images.shape, generator=generator, dtype=torch.float64)
        found = (gradient * directions).flatten(1).sum(dim=1)
        expected = slopes(frontend, images, directions)
        torch.testing.assert_close(found, expected, rtol=1e-2 if name == "unrolled" else 1e-3, atol=1e-3)


def test_the_clusters_are_held_under_the_gradient(monkeypatch):
    """What an image is coded with does not follow the gradient, and neither does it reach the auto-encoder."""
    frontend = like()
    images = pictures(4).requires_grad_()
    found = frontend.assign(images)
    assert not found.requires_grad
    before = torch.autograd.grad(frontend.stand_in("implicit")(images).square().sum(), images)[0]
    monkeypatch.setattr(frontend, "assign", lambda images: found)
    held = torch.autograd.grad(frontend.stand_in("implicit")(images).square().sum(), images)[0]
    assert torch.equal(before, held)


def test_gradients_pass_the_clamp_unless_told_not_to():
    frontend = like(tolerance=1e-5)
    images = (3 * pictures(4) - 1).clamp(0, 1).requires_grad_()
    out = {past: frontend.stand_in("implicit", past_clamp=past)(images) for past in (True, False)}
    assert torch.equal(out[True], out[False])
    clamped = (out[True] == 0) | (out[True] == 1)
    assert clamped.any()
    gradients = {past: torch.autograd.grad(value[clamped].sum(), images)[0] for past, value in out.items()}
    assert gradients[True].any()
    assert not gradients[False].any()


def test_the_models_own_gradient_is_that_of_its_codes():
    frontend = like(tolerance=1e-3)
    images = pictures(4).requires_grad_()
    own = torch.autograd.grad(frontend(images).square().sum(), images)[0]
    named = torch.autograd.grad(frontend.stand_in("implicit", tolerance=1e-3)(images).square().sum(), images)[0]
    torch.testing.assert_close(own, named, atol=1e-4, rtol=1e-3)
    with torch.no_grad():
        assert not frontend(images).requires_grad


@pytest.mark.parametrize("name", ["implicit", "unrolled", "identity"])
def test_a_warm_start_has_the_deployed_value_up_to_tolerance_and_is_not_remembered_by_the_model(name):
    frontend = like(tolerance=1e-4)
    images = pictures(6).requires_grad_()
    deployed = frontend(images).detach()
    warm = frontend.stand_in(name, warm=True)
    assert torch.equal(warm(images).detach(), deployed)  # the first call is cold
    moved = (images + 0.01 * torch.randn(images.shape).sign()).detach().requires_grad_()
    near = warm(moved)
    torch.testing.assert_close(near.detach(), frontend(moved).detach(), atol=1e-3, rtol=0)
    assert torch.autograd.grad(near.sum(), moved)[0].isfinite().all()
    torch.testing.assert_close(warm(moved[[4, 2]]).detach(), frontend(moved[[4, 2]]).detach(), atol=1e-3, rtol=0)
    assert torch.equal(frontend(images).detach(), deployed)
    assert torch.equal(frontend.stand_in(name, warm=True)(images).detach(), deployed)
    assert warm(images[:0]).shape == images[:0].shape


def test_a_warm_start_begins_at_the_codes_of_the_same_image(monkeypatch):
    starts = []
    monkeypatch.setattr(
        "sparsefront.frontends.stl.stl.cbpdn",
        lambda *args, start, **kwargs: starts.append(start) or cbpdn(*args, start=start, **kwargs),
    )
    frontend, images = like(), pictures(6)
    codes = frontend.encode(images).to_dense()
    clusters = frontend.assign(images)
    warm = frontend.stand_in("identity", warm=True)
    warm(images)
    starts.clear()
    kept = torch.tensor([5, 1, 2])  # fewer images in another order, and one from elsewhere
    warm(torch.cat([images[kept], 1 - images[:1]]))
    begun = torch.cat([start for start in starts if start is not None])
    expected = torch.cat([codes[kept[clusters[kept] == k]] for k in range(2)])
    found = begun[begun.flatten(1).any(dim=1)]
    assert torch.equal(found, expected)


def test_codes_with_a_memory_are_those_of_a_warm_start():
    frontend, images = like(), pictures(6)
    moved = (images + 0.01 * torch.randn(images.shape).sign()).clamp(0, 1)
    memory, warm = PreviousCodes(), frontend.stand_in("identity", warm=True)
    assert torch.equal(frontend.encode(images, memory).to_dense(), frontend.encode(images).to_dense())
    warm(images)
    codes = frontend.encode(moved, memory).to_dense()
    assert not torch.equal(codes, frontend.encode(moved).to_dense())
    clusters, low = frontend.assign(moved), frontend.split(moved)[0]
    whole = [low[n : n + 1] + convolve(codes[n : n + 1], frontend.filters[k]) for n, k in enumerate(clusters)]
    torch.testing.assert_close(torch.cat(whole).clamp(0, 1), warm(moved))


# learning


@pytest.mark.parametrize("settings", [{"n_iterations": 8}, {"learner": "consensus", "n_iterations": 1, "n_passes": 8}])
def test_learned_filters_lower_the_objective_of_held_out_digits(settings):
    batches, others = digits()
    shape, images = (1, 14, 14), torch.cat(batches[:2])
    frontend = fitted(STL(shape, **{**SMALL, "n_clusters": 1, "n_filters": 16, **settings}), images)
    high = frontend.split(others[:20])[1]
    patches = frontend.split(images)[1].unfold(2, 5, 1).unfold(3, 5, 1)[:16, :, 4, 5]  # of the middle of 16 digits
    start = F.normalize(patches.flatten(1), dim=1).view(16, 1, 5, 5)
    before, after = (
        objective(high, filters, cbpdn(high, filters, 0.1, tolerance=1e-2).codes, 0.1)
        for filters in (start, frontend.filters[0])
    )
    assert after < 0.9 * before
    torch.testing.assert_close(frontend.filters.flatten(2).norm(dim=2), torch.ones(1, 16))


def test_each_clusters_filters_suit_its_images_better_than_the_others_do():
    frontend, images = learned(), pictures(12, seed=9)
    high, clusters = frontend.split(images)[1], frontend.assign(images)
    assert len(clusters.unique()) == 2
    for k in range(2):
        costs = [
            objective(part, filters, cbpdn(part, filters, 0.1).codes, 0.1)
            for part in [high[clusters == k]]
            for filters in frontend.filters
        ]
        assert costs[k] < costs[1 - k]


def test_one_cluster_has_no_auto_encoder_and_learns_filters_alone():
    frontend = fitted(STL(SHAPE, **{**SMALL, "n_clusters": 1}), pictures(8))
    assert frontend.strata is None
    assert set(frontend.state_dict()) == {"learned", "filters"}
    assert frontend.n_learning_steps == SMALL["n_iterations"]
    assert not frontend.assign(pictures(3)).any()
    assert frontend.atoms().shape == (10, 3, 5, 5)


def test_atoms_are_the_filters_of_all_clusters():
    frontend = learned()
    assert torch.equal(frontend.atoms(), frontend.filters.flatten(0, 1))
    assert frontend.atoms().shape == (20, 3, 5, 5)


def test_nothing_is_left_to_train_and_what_learning_needed_is_gone():
    frontend = learned()
    assert frontend._learner is None
    assert not any(parameter.requires_grad or parameter.grad is not None for parameter in frontend.parameters())


@pytest.mark.parametrize("learner", ["online", "consensus"])
@pytest.mark.parametrize("steps", [1, 5])
def test_a_run_cut_short_learns_a_little_of_everything(steps, learner):
    frontend = STL(SHAPE, **{**SMALL, "n_components": 30, "learner": learner, "n_passes": 2})
    frontend.n_learning_steps = steps
    fitted(frontend, pictures(12, seed=1))
    assert frontend.strata.n_found > 0
    torch.testing.assert_close(frontend.filters.flatten(2).norm(dim=2), torch.ones(2, 10))
    assert frontend(pictures(4)).isfinite().all()


def test_it_learns_as_a_part_of_others_and_there_too_when_cut_short():
    whole = Compose(SHAPE, [Identity, lambda shape: STL(shape, **SMALL)])
    whole.n_learning_steps = 1
    fitted(whole, pictures(12, seed=1))
    assert whole(pictures(4)).isfinite().all()


def test_filters_alone_are_learned_with_the_clusters_of_a_checkpoint(tmp_path):
    first = learned()
    torch.save({"state_dict": first.state_dict()}, tmp_path / "alone.ckpt")
    torch.save({"state_dict": {f"frontend.{k}": v for k, v in first.state_dict().items()}}, tmp_path / "whole.ckpt")
    for name in ("alone", "whole"):
        again = STL(SHAPE, **{**SMALL, "lmbda": 0.3, "strata_checkpoint": str(tmp_path / f"{name}.ckpt")})
        assert again.n_learning_steps == SMALL["n_iterations"]
        fitted(again, pictures(12, seed=1))
        for key, tensor in first.strata.state_dict().items():
            assert torch.equal(again.strata.state_dict()[key], tensor)
        assert not torch.equal(again.filters, first.filters)
    (tmp_path / "alone.ckpt").unlink()
    STL(SHAPE, **{**SMALL, "strata_checkpoint": str(tmp_path / "alone.ckpt")}).load_state_dict(first.state_dict())


@pytest.mark.parametrize(
    ("settings", "whole", "message"),
    [
        ({}, None, "`strata_checkpoint` must name a checkpoint file, found none at "),
        ({}, b"no", "`strata_checkpoint` must be a whole checkpoint that `sparsefront fit` wrote, found "),
        ({"n_components": 5}, "learned", "`strata_checkpoint` must hold the clusters of an STL with the same channels"),
        (
            {"n_clusters": 3},
            "learned",
            "`n_clusters` must be the number of clusters in `strata_checkpoint`, 2, found 3",
        ),
    ],
)
def test_a_checkpoint_without_these_clusters_is_refused(tmp_path, settings, whole, message):
    path = tmp_path / "other.ckpt"
    if whole == "learned":
        torch.save({"state_dict": learned().state_dict()}, path)
    elif whole is not None:
        path.write_bytes(whole)
    frontend = STL(SHAPE, **{**SMALL, **settings, "strata_checkpoint": str(path)})
    with pytest.raises(FileNotFoundError if whole is None else ValueError, match=f"^{re.escape(message)}"):
        frontend.learn_from(pictures(8))


@pytest.mark.parametrize(
    ("settings", "images", "message"),
    [
        ({}, pictures(4, shape=(3, 4, 9)), "`images` must have at least 5 pixels a side"),
        ({"n_clusters": 9}, pictures(4), "`n_clusters` must be at most the number of reference images, which 2 "),
        ({"n_neighbours": 9}, pictures(4), "`n_neighbours` must be at most the number of reference images, which 2 "),
        ({"n_components": 9}, pictures(4), "`n_components` must be at most the number of reference images, which 2 "),
    ],
)
def test_data_that_cannot_do_are_refused_before_the_long_work(settings, images, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        STL(SHAPE, **{**SMALL, **settings}).learn_from(images)


def test_equal_images_cannot_fill_clusters():
    frontend = STL(SHAPE, **{**SMALL, "autoencoder_iterations": 1, "n_components": 2})
    with pytest.raises(ValueError, match=r"^`n_clusters` must be at most the number of different reference images, 1"):
        fitted(frontend, pictures(1).expand(8, -1, -1, -1))


def test_a_cluster_that_no_image_teaches_is_refused(monkeypatch):
    monkeypatch.setattr(STL, "assign", lambda self, images: torch.zeros(len(images), dtype=torch.long))
    with pytest.raises(ValueError, match=r"^`n_clusters` must leave no cluster without images .*found \[24, 0\]"):
        fitted(STL(SHAPE, **SMALL), pictures(6))


def test_flat_images_hold_no_filters():
    with pytest.raises(ValueError, match=r"^The first batch must hold at least `n_filters` = 10 patches"):
        fitted(STL(SHAPE, **{**SMALL, "n_clusters": 1}), torch.full((4, *SHAPE), 0.5))


def test_it_must_learn_first():
    frontend = STL(SHAPE, **SMALL)
    for name in frontend.backward_modes():
        with pytest.raises(RuntimeError, match=r"^This STL has not learned yet"):
            frontend.stand_in(name)(pictures(2))


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
        STL(SHAPE, **{**SMALL, **settings})


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


def test_learning_does_not_touch_the_global_random_numbers():
    before = torch.get_rng_state()
    frontend = STL(SHAPE, **SMALL)
    with torch.no_grad():
        for images in pictures(8, seed=1).split(4) * 5:
            frontend.learn_from(images)
            frontend.learning_step += 1
    assert torch.equal(torch.get_rng_state(), before)
