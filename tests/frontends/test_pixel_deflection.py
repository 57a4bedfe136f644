import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsefront.classifiers import ConvNet
from sparsefront.frontends import PixelDeflection
from sparsefront.frontends.parts.class_activation import robust_class_activation
from sparsefront.frontends.parts.deflect import deflect
from sparsefront.frontends.parts.wavelet import denoise_wavelet, haar, inverse_haar, rgb_to_ycbcr, ycbcr_to_rgb
from tests.helpers.front_end_contract import assert_keeps_the_contract, fitted, seeded
from tests.helpers.precision import DTYPE
from tests.helpers.real_digits import mnist_data

SHAPE = (3, 16, 19)


def rand(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


class Pooled(torch.nn.Module):
    """Global average pooling and one linear layer behind two convolutions."""

    def __init__(self, in_chans=3, num_classes=7):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.features = torch.nn.Sequential(
            torch.nn.Conv2d(in_chans, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 6, 3, padding=2), torch.nn.ReLU(True)
        )
        self.head = torch.nn.Linear(6, num_classes)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator))

    def forward(self, images):
        return self.head(self.features(images).mean(dim=(2, 3)))


# Deflection


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 999), number=st.integers(1, 60))
def test_pixels_are_deflected_as_in_algorithm_1(seed, number):
    images = rand(2, 3, 4, 5, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    places, sources = (torch.randint(20, (2, number), generator=generator) for _ in range(2))  # many more than once
    expected = images.clone()
    for image in range(2):
        for place, source in zip(places[image].tolist(), sources[image].tolist(), strict=True):
            expected[image, :, place // 5, place % 5] = images[image, :, source // 5, source % 5]
    assert torch.equal(deflect(images, places, sources), expected)


def test_neighbours_come_uniformly_from_the_window_inside_the_image():
    frontend = PixelDeflection((1, 9, 12), n_deflections=40_000, window=2)
    places, sources = seeded(frontend.draw, rand(1, 1, 9, 12))
    visits = places[0].bincount(minlength=108) * 108 / 40_000
    assert visits.min() > 0.8
    assert visits.max() < 1.2
    down, right = sources // 12 - places // 12, sources % 12 - places % 12
    assert down.abs().max() == right.abs().max() == 2
    corner = sources[places == 0].bincount(minlength=36)
    inside = [row * 12 + column for row in range(3) for column in range(3)]
    assert corner.sum() == corner[inside].sum()
    share = corner[inside] / corner.sum()
    assert share.min() > 0.05
    assert share.max() < 0.18


@pytest.mark.parametrize(("side", "expected"), [(224, 200), (299, 356), (32, 4), (4, 1)])
def test_deflections_are_in_proportion_to_the_area(side, expected):
    places, _ = PixelDeflection((1, side, side)).draw(rand(1, 1, side, side))
    assert places.shape == (1, expected)


def test_copies_of_an_image_lie_side_by_side_and_differ():
    frontend = PixelDeflection(SHAPE, n_deflections=30, denoise="none", n_copies=3)
    images = rand(2, *SHAPE)
    out = frontend(images).unflatten(0, (2, 3))
    changed = (out != images[:, None]).any(dim=2).flatten(2).sum(dim=2)
    assert (changed > 0).all()
    assert (changed <= 30).all()
    assert not torch.equal(out[:, 0], out[:, 1])


# Wavelets


@settings(max_examples=20, deadline=None)
@given(height=st.integers(1, 9), width=st.integers(1, 9))
def test_haar_wavelets_are_inverted_at_any_size(height, width):
    images = rand(2, 3, height, width).double()
    torch.testing.assert_close(inverse_haar(*haar(images), height, width), images)


def test_haar_wavelets_are_orthonormal():
    basis = torch.eye(4 * 6, dtype=torch.float64).reshape(24, 1, 4, 6)
    means, details = haar(basis)
    matrix = torch.cat([means.flatten(1), details.flatten(1)], dim=1)
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(24, dtype=torch.float64))


def test_colors_are_inverted_and_luma_is_bt601s():
    images = rand(2, 3, 5, 5).double()
    channels = rgb_to_ycbcr(images)
    torch.testing.assert_close(ycbcr_to_rgb(channels), images)
    torch.testing.assert_close(channels[:, 0], 0.299 * images[:, 0] + 0.587 * images[:, 1] + 0.114 * images[:, 2])
    torch.testing.assert_close(
        rgb_to_ycbcr(torch.full((1, 3, 1, 1), 0.4))[0, 1:], torch.zeros(2, 1, 1), atol=1e-7, rtol=0
    )


def bayes_shrink_in_plain_python(channel, sigma):
    """One level of Chang, Yu and Vetterli 2000 on one channel of even sides."""
    blocks = [
        (row, column, *(channel[row + down][column + right] for down in (0, 1) for right in (0, 1)))
        for row in range(0, len(channel), 2)
        for column in range(0, len(channel[0]), 2)
    ]
    signs = [(1, -1, 1, -1), (1, 1, -1, -1), (1, -1, -1, 1)]
    bands = [[sum(s * v for s, v in zip(sign, block[2:], strict=True)) / 2 for block in blocks] for sign in signs]
    for band in bands:
        variance = sum(value**2 for value in band) / len(band) - sigma**2
        threshold = sigma**2 / math.sqrt(variance) if variance > 0 else math.inf
        band[:] = [math.copysign(max(abs(value) - threshold, 0), value) for value in band]
    out = [[0.0] * len(channel[0]) for _ in channel]
    for number, (row, column, *values) in enumerate(blocks):
        for place, (down, right) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
            details = sum(sign[place] * band[number] for sign, band in zip(signs, bands, strict=True))
            out[row + down][column + right] = sum(values) / 4 + details / 2
    return out


@pytest.mark.parametrize("sigma", [0.04, 0.2, 0.6])
def test_details_are_shrunk_by_the_formula(sigma):
    image = 0.6 * rand(1, 1, 12, 14).double()  # one level; a range other than 1
    expected = torch.tensor(bayes_shrink_in_plain_python(image[0, 0].tolist(), sigma), dtype=torch.float64)
    torch.testing.assert_close(denoise_wavelet(image, sigma)[0, 0], expected)


@pytest.mark.parametrize("shape", [(3, 37, 50), (3, 64, 64), (1, 33, 70)])
@pytest.mark.parametrize("sigma", [0.04, 0.15])
def test_it_denoises_as_scikit_image_does(shape, sigma):
    pytest.importorskip("pywt")
    from skimage.color import rgb2ycbcr
    from skimage.restoration import denoise_wavelet as of_scikit_image

    image = np.random.default_rng(0).random(shape).cumsum(axis=2)
    image /= 2 * image.max()
    # Today's scikit-image wants sigma in the channels' own unit; in 2018 it was a share of the ranges of YCbCr.
    settings_ = {"method": "BayesShrink", "mode": "soft", "wavelet": "db1", "rescale_sigma": False}
    if shape[0] == 3:
        ranges = np.ptp(rgb2ycbcr(image, channel_axis=0), axis=(1, 2))
        expected = of_scikit_image(image, list(sigma * ranges), convert2ycbcr=True, channel_axis=0, **settings_)
    else:
        expected = of_scikit_image(image[0], sigma, **settings_)[None]
    found = denoise_wavelet(torch.from_numpy(image)[None], sigma)[0].numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4)  # its color matrix has five digits


def test_noise_of_a_small_sigma_is_removed_from_a_constant_and_edges_stay():
    edge = torch.zeros(1, 1, 32, 32)
    edge[..., 16:] = 1
    noisy = edge + 0.02 * torch.randn(edge.shape, generator=torch.Generator().manual_seed(0))
    assert (denoise_wavelet(noisy, 0.04) - edge).square().mean() < 0.3 * (noisy - edge).square().mean()


# Attention


def test_the_map_of_a_pooled_network_is_that_of_its_linear_layer():
    network, images = Pooled().eval(), rand(2, *SHAPE)
    with torch.no_grad():
        features, logits = network.features(images), network(images)
        expected = torch.zeros(2, *SHAPE[1:])
        for image in range(2):
            for rank, label in enumerate(logits[image].argsort(descending=True)[:5].tolist()):
                weights = network.head.weight[label][:, None, None]
                expected[image] += (weights * features[image]).sum(dim=0) / 2 ** (rank + 1)
    low, high = expected.amin(dim=(1, 2), keepdim=True), expected.amax(dim=(1, 2), keepdim=True)
    torch.testing.assert_close(robust_class_activation(network, images), (expected - low) / (high - low))


def test_a_trained_network_with_a_flattened_head_spares_the_ink():
    pixels, labels = mnist_data()
    order = torch.randperm(len(pixels), generator=torch.Generator().manual_seed(0))[:3400]
    images = (torch.from_numpy(pixels)[order] / 255).to(DTYPE).reshape(-1, 1, 28, 28)
    labels = torch.from_numpy(labels)[order]
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = ConvNet(1, 10, width=16)
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    for some, right in zip(images[:-200].split(32), labels[:-200].split(32), strict=True):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(some), right).backward()
        optimizer.step()
    shown, network = images[-200:], network.eval()
    assert (network(shown).argmax(dim=1) == labels[-200:]).float().mean() > 0.8
    maps, ink = robust_class_activation(network, shown), shown[:, 0] > 0.5
    assert maps[ink].mean() > 1.2 * maps[~ink].mean()
    drawn = (1 - maps) / (1 - maps).sum(dim=(1, 2), keepdim=True)  # where pixels are deflected
    assert (drawn * ink).sum() / len(shown) < 0.9 * ink.float().mean()


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_maps_do_not_depend_on_batch_mates_or_on_how_gradients_are_kept(context):
    network, images = Pooled().eval(), rand(3, *SHAPE)
    with context():
        maps = robust_class_activation(network, images)
        apart = torch.cat([robust_class_activation(network, image[None]) for image in images])
    torch.testing.assert_close(maps, apart)
    assert not maps.requires_grad
    assert maps.amin() == 0
    assert maps.amax() == 1
    assert not any(module._forward_hooks for module in network.modules())


def test_pixels_are_spared_in_proportion_to_the_map():
    frontend = PixelDeflection(SHAPE, n_deflections=50_000, attention=Pooled, attention_classes=7)
    image = rand(1, *SHAPE)
    places, _ = seeded(frontend.draw, image)
    spared = robust_class_activation(frontend.attention, image).flatten()
    share = places[0].bincount(minlength=len(spared)) / 50_000
    torch.testing.assert_close(share, (1 - spared) / (1 - spared).sum(), atol=1.5e-3, rtol=0)
    assert share[spared.argmax()] == 0


def test_a_flat_map_spares_nothing():
    frontend = PixelDeflection(SHAPE, n_deflections=5, attention=Pooled, attention_classes=7)
    torch.nn.init.zeros_(frontend.attention.head.weight)
    assert frontend(rand(2, *SHAPE)).isfinite().all()


def test_it_keeps_the_contract_with_attention():
    frontend = PixelDeflection(SHAPE, n_deflections=9, attention=Pooled, attention_classes=7, n_copies=2)
    assert_keeps_the_contract(frontend, rand(2, *SHAPE))


def test_the_attention_network_is_neither_trained_nor_put_into_training_mode():
    frontend = PixelDeflection(SHAPE, attention=Pooled, attention_classes=7).train()
    assert not frontend.attention.training
    assert not any(parameter.requires_grad for parameter in frontend.parameters())


def test_stage_one_reads_the_attention_network_from_a_checkpoint(tmp_path):
    weights = Pooled().state_dict()
    weights["head.bias"] += 1
    path = tmp_path / "run.ckpt"
    torch.save({"state_dict": {f"classifier.{key}": value for key, value in weights.items()}}, path)
    frontend = PixelDeflection(SHAPE, attention=Pooled, attention_classes=7, attention_checkpoint=str(path))
    with pytest.raises(RuntimeError, match="has not read its `attention_checkpoint` yet"):
        frontend(rand(1, *SHAPE))
    fitted(frontend, rand(2, *SHAPE))
    torch.testing.assert_close(frontend.attention.head.bias, weights["head.bias"])
    path.unlink()  # from here on its own checkpoint has them
    again = PixelDeflection(SHAPE, attention=Pooled, attention_classes=7, attention_checkpoint=str(path))
    again.load_state_dict(frontend.state_dict())
    assert torch.equal(seeded(again, rand(1, *SHAPE)), seeded(frontend, rand(1, *SHAPE)))


def test_a_checkpoint_that_is_missing_or_anothers_is_named(tmp_path):
    path = tmp_path / "run.ckpt"
    frontend = PixelDeflection(SHAPE, attention=Pooled, attention_classes=3, attention_checkpoint=str(path))
    with pytest.raises(FileNotFoundError, match="`attention_checkpoint` must name a checkpoint file, found none"):
        frontend.learn_from(rand(1, *SHAPE))
    torch.save({"state_dict": {f"classifier.{key}": value for key, value in Pooled().state_dict().items()}}, path)
    with pytest.raises(ValueError, match="must hold a Pooled as `attention` and `attention_classes` describe it"):
        frontend.learn_from(rand(1, *SHAPE))


def test_a_network_without_feature_maps_is_refused():
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 16 * 19, 4))
    with pytest.raises(ValueError, match="`attention` must be a network that computes feature maps"):
        robust_class_activation(network, rand(1, *SHAPE))


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"n_deflections": 0}, "`n_deflections` must be at least 1, found 0; write null"),
        ({"window": 0}, "`window` must be at least 1, found 0; it is in pixels"),
        ({"denoise": "blur"}, "`denoise` must be one of wavelet, none, found 'blur'"),
        ({"sigma": 0.0}, "`sigma` must be positive and finite, found 0; `denoise: none`"),
        ({"attention_classes": 1}, "`attention_classes` must be at least 2, found 1"),
        ({"attention_checkpoint": "a"}, "`attention_checkpoint` needs `attention`, found 'a' alone"),
        ({"n_copies": 0}, "`n_copies` must be at least 1, found 0"),
    ],
)
def test_a_setting_out_of_range_is_named(settings_, message):
    with pytest.raises(ValueError, match=message):
        PixelDeflection(SHAPE, **settings_)


class Checkpointed(Pooled):
    """The same network, which keeps no activations, in the way of torch that allows no gradient of one tensor alone."""

    def __init__(self):
        super().__init__()
        self.whole, self.features = self.features, Recomputed(self.features)


class Recomputed(torch.nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, images):
        return torch.utils.checkpoint.checkpoint(self.inner, images, use_reentrant=True)


def test_maps_of_a_network_with_reentrant_checkpointing_are_the_same_and_leave_no_trace():
    images, network = rand(2, *SHAPE), Checkpointed()
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    maps = robust_class_activation(network, images)
    torch.testing.assert_close(maps, robust_class_activation(Pooled(), images))
    assert all((parameter.grad == 1).all() for parameter in network.parameters())
