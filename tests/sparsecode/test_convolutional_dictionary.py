from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import avg_pool2d

from sparsecode import (
    ConsensusConvolutionalDictionary,
    OnlineConvolutionalDictionary,
    cbpdn,
    convolve,
    tikhonov_split,
)
from sparsecode._circular import correlate_pairs
from sparsecode.convolutional_dictionary import shifted_products, update_filters, worst_patches
from tests.helpers.real_digits import mnist_data

coder = partial(cbpdn, lmbda=0.2, tolerance=2e-2)


@pytest.fixture(scope="module")
def images():
    digits = torch.from_numpy(mnist_data()[0][::125].reshape(-1, 1, 28, 28)).float() / 255
    return tikhonov_split(digits)[1][:, :, 4:24, 4:24].contiguous()


def patches(images, number, size=5):
    """Patches to start from, of unit norm."""
    cut = images.unfold(2, size, size).unfold(3, size, size).permute(0, 2, 3, 1, 4, 5).flatten(0, 2)
    cut = cut[cut.flatten(1).norm(dim=1) > 0.5][:number]
    return cut / cut.flatten(1).norm(dim=1)[:, None, None, None]


def objective(images, filters):
    codes = cbpdn(images, filters, 0.2, tolerance=1e-3).codes
    return ((images - convolve(codes, filters)).square().sum() / 2 + 0.2 * codes.abs().sum()).item() / len(images)


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 3), *[st.integers(1, 3)] * 2, *[st.integers(3, 8)] * 2, *[st.integers(1, 3)] * 2, st.integers(0, 9)
)
def test_the_statistics_are_those_of_the_quadratic_in_the_filters(n, k, channels, height, width, tall, wide, seed):
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randn(n, k, height, width, generator=generator, dtype=torch.float64)
    codes *= torch.rand(codes.shape, generator=generator) < 0.4
    images = torch.randn(n, channels, height, width, generator=generator, dtype=torch.float64)
    filters = torch.randn(k, channels, tall, wide, generator=generator, dtype=torch.float64, requires_grad=True)
    misfit = (images - convolve(codes, filters)).square().sum() / 2
    a, b = shifted_products(codes, (tall, wide)), correlate_pairs(codes, images, (tall, wide))
    product = torch.zeros_like(b)
    for y in range(tall):
        for x in range(wide):
            for v in range(tall):
                for u in range(wide):
                    product[:, :, y, x] += a[:, :, y - v, x - u] @ filters.detach()[:, :, v, u]
    (expected,) = torch.autograd.grad(misfit, filters)
    torch.testing.assert_close(product - b, expected)


def test_the_statistics_of_sparse_codes_are_those_of_their_surroundings_on_any_device(monkeypatch):
    codes = torch.randn(2, 3, 7, 6, dtype=torch.float64) * (torch.rand(2, 3, 7, 6) < 0.3)
    compiled = shifted_products(codes, (4, 3))
    from sparsecode import convolutional_dictionary

    torch.testing.assert_close(convolutional_dictionary.surroundings_products(codes, (4, 3)), compiled)
    monkeypatch.setattr(convolutional_dictionary, "_GATHERED", 1)
    torch.testing.assert_close(convolutional_dictionary.surroundings_products(codes, (4, 3)), compiled)


def test_the_filter_update_lowers_the_quadratic_to_its_constrained_minimum():
    codes = torch.randn(2, 3, 9, 9, dtype=torch.float64) * (torch.rand(2, 3, 9, 9) < 0.3)
    codes[:, 2] = 0
    truth = torch.randn(3, 2, 3, 3, dtype=torch.float64)
    truth /= truth.flatten(1).norm(dim=1)[:, None, None, None]
    a, b = shifted_products(codes, (3, 3)), correlate_pairs(codes, convolve(codes, truth), (3, 3))
    start = truth.roll(1, dims=0)
    found = update_filters(start, a, b, steps=2000)
    torch.testing.assert_close(found[:2], truth[:2], atol=1e-6, rtol=0)  # the images hold nothing else
    torch.testing.assert_close(found[2], start[2])  # that nothing was coded with


def test_the_worst_patch_of_an_image_is_cut_out():
    images = torch.zeros(2, 3, 6, 7)
    images[0, :, 2:4, 4:7] = 1.0
    found, errors = worst_patches(images, torch.Size([9, 3, 2, 3]))
    torch.testing.assert_close(found[0], torch.ones(18))
    torch.testing.assert_close(errors, torch.tensor([18.0, 0.0]))
    assert worst_patches(images[:0], torch.Size([9, 3, 2, 3]))[0].shape == (0, 18)


def learn_online(images, start, reduce=lambda tensor: tensor, rank=slice(None), **keywords):
    learner = OnlineConvolutionalDictionary(start, coder, **keywords)
    return learner, [learner.step(batch[rank], reduce) for batch in images.split(8)]


def learn_together(images, start, reduce=lambda tensor: tensor, rank=slice(None), steps=5):
    learner = ConsensusConvolutionalDictionary(images[rank], start, coder)
    return learner, [learner.step(reduce) for _ in range(steps)]


@pytest.mark.parametrize("learn", [learn_online, learn_together])
def test_learned_filters_code_better_than_the_patches_they_start_from(learn, images):
    start = patches(images, 6)
    learner, reported = learn(images[:32], start)
    torch.testing.assert_close(learner.filters.flatten(1).norm(dim=1), learner.filters.new_ones(6))
    held_out = images if learn is learn_together else images[32:]
    assert objective(held_out[:32], learner.filters) < 0.92 * objective(held_out[:32], start)
    first = objective(images[:8] if learn is learn_online else images[:32], start)
    assert reported[0]["half_residual"] + 0.2 * reported[0]["l1"] == pytest.approx(first, rel=1e-3)


@pytest.mark.parametrize("learn", [learn_online, learn_together])
def test_processes_that_share_the_images_learn_what_one_learns(learn, images, together):
    images = avg_pool2d(images[:16], 3, 1, 1)
    start = patches(images, 6)
    start[5] = torch.tensor([1.0, -1.0]).repeat(13)[:25].view(5, 5) / 5  # a checkerboard, which no smooth image uses
    keywords = {"dead_after": 8} if learn is learn_online else {}
    alone, metrics = learn(images, start, **keywords)
    ranks = (slice(0, 5), slice(5, None)) if learn is learn_online else (slice(0, 3), slice(3, None))
    group = together(2, lambda rank, reduce: learn(images, start, reduce, ranks[rank], **keywords))
    for learner, reported in group:
        assert torch.equal(learner.filters, group[0][0].filters)
        torch.testing.assert_close(learner.filters, alone.filters, atol=2e-3, rtol=0)
        torch.testing.assert_close(reported[0], metrics[0], rtol=1e-4, atol=1e-4)
    assert sum(step["replaced"] for step in metrics) > 0


@pytest.mark.parametrize("learn", [learn_online, learn_together])
def test_the_same_start_and_images_give_the_same_filters(learn, images):
    one, other = (learn(images[:16], patches(images, 4))[0] for _ in range(2))
    assert torch.equal(one.filters, other.filters)


def test_a_process_without_images_takes_part(images, together):
    start = patches(images, 4)
    alone, _ = learn_online(images[:8], start)
    for learner, _ in together(2, lambda rank, reduce: learn_online(images[:8], start, reduce, slice(0, 8 * rank))):
        torch.testing.assert_close(learner.filters, alone.filters)


def test_images_of_several_sizes_teach_one_online_dictionary(images):
    learner = OnlineConvolutionalDictionary(patches(images, 4), coder)
    learner.step(images[:8])
    assert learner.step(images[8:12, :, :11, :17])["nonzeros"] > 0


@pytest.mark.parametrize("learn", [learn_online, learn_together])
def test_blank_images_change_no_filter(learn, images):
    start = patches(images, 4)
    learner, reported = learn(torch.zeros(8, 1, 12, 12), start)
    torch.testing.assert_close(learner.filters, start)
    assert reported[0]["nonzeros"] == 0


def test_the_objective_is_that_of_sporco(images):
    sporco = pytest.importorskip("sporco.dictlrn.cbpdndl")
    images, start = images[:8], patches(images, 5)
    options = {"Verbose": False, "MaxMainIter": 60, "CBPDN": {"rho": 11.0}, "CCMOD": {"rho": 1.0}}
    solver = sporco.ConvBPDNDictLearn(
        start.permute(2, 3, 1, 0).squeeze(2).numpy(),
        images[:, 0].permute(1, 2, 0).numpy(),
        0.2,
        sporco.ConvBPDNDictLearn.Options(options, dmethod="cns"),
        dmethod="cns",
    )
    theirs = torch.from_numpy(solver.solve().reshape(5, 5, 1, 5).copy()).permute(3, 2, 0, 1)
    theirs = theirs / theirs.flatten(1).norm(dim=1)[:, None, None, None]
    ours, _ = learn_together(images, start, steps=15)
    assert objective(images, ours.filters) < 1.01 * objective(images, theirs)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda f: OnlineConvolutionalDictionary(f[0], coder), "shape"),
        (lambda f: OnlineConvolutionalDictionary(0 * f, coder), "no zero column"),
        (lambda f: OnlineConvolutionalDictionary(f, coder, rho=-1), "`rho`"),
        (lambda f: OnlineConvolutionalDictionary(f, coder, dead_after=0), "`dead_after`"),
        (lambda f: ConsensusConvolutionalDictionary(torch.rand(0, 1, 9, 9), f, coder), "N > 0"),
        (lambda f: ConsensusConvolutionalDictionary(torch.rand(2, 3, 9, 9), f, coder), "filters' C"),
        (lambda f: ConsensusConvolutionalDictionary(torch.rand(2, 1, 9, 9), f, coder, iterations=0), "`iterations`"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make(torch.rand(4, 1, 3, 3) + 0.1)
