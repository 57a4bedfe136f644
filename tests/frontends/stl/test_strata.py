"""The denoising auto-encoder and the clusters, against torch's own layers and scikit-learn."""

import re

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier
from torch import nn
from torch.nn import functional as F

from sparsefront.frontends.parts.descent import descend
from sparsefront.frontends.stl.denoising_autoencoder import DenoisingAutoencoder, to_side
from sparsefront.frontends.stl.strata import Strata


def colours(n=6, seed=0, size=(32, 32)):
    return torch.rand(n, 3, *size, generator=torch.Generator().manual_seed(seed))


def alone(tensor):
    return tensor


def published(network):
    """The same network of torch's own layers, in training mode."""
    layers = []
    for group, resize in ((network.down, nn.MaxPool2d(2)), (network.up, nn.Upsample(scale_factor=2))):
        for stage in group:
            convolution = nn.Conv2d(*stage.convolution.weight.shape[1::-1], 3, padding=1, bias=False)
            convolution.load_state_dict(stage.convolution.state_dict())
            block = [convolution, nn.BatchNorm2d(32), nn.ReLU()]
            layers.append(nn.Sequential(*block, resize) if group is network.down else nn.Sequential(resize, *block))
    last = nn.Conv2d(32, 3, 3, padding=1)
    last.load_state_dict(network.last.state_dict())
    return nn.ModuleList([nn.Sequential(*layers[:3]), nn.Sequential(*layers[3:], last, nn.Sigmoid())])


def test_the_network_learns_as_one_of_torchs_own_layers_does():
    network, images = DenoisingAutoencoder(3, seed=0).double(), colours().double()
    encoder, decoder = theirs = published(network).double()
    noise = 0.1 * torch.randn(images.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    inputs = torch.cat([images, (images + noise).clamp(0, 1)])
    network.requires_grad_(True)
    ours = torch.optim.Adam(network.parameters(), lr=1e-2)
    optimizer = torch.optim.Adam(theirs.parameters(), lr=1e-2)
    for _ in range(2):
        expected = F.mse_loss(decoder(encoder(inputs)), torch.cat([images, images]))
        optimizer.zero_grad()
        expected.backward()
        optimizer.step()
        loss = descend(network.losses(images, noise, alone), ours, alone, "it", 1)
        assert loss == pytest.approx(expected.item(), rel=1e-9)
    encoder.eval()
    torch.testing.assert_close(network(images), encoder(images).flatten(1).detach())
    norms = [layer for layer in encoder.modules() if isinstance(layer, nn.BatchNorm2d)]
    for stage, norm in zip(network.down, norms, strict=True):
        torch.testing.assert_close(stage.mean, norm.running_mean)
        torch.testing.assert_close(stage.variance, norm.running_var)


def test_features_do_not_depend_on_the_mode_or_on_batch_mates():
    network, images = DenoisingAutoencoder(3, seed=0), colours()
    network.losses(images, 0 * images, alone)
    assert network(images).shape == (6, 512)
    assert torch.equal(network.train()(images), network.eval()(images))
    torch.testing.assert_close(torch.cat([network(image[None]) for image in images]), network(images))


@pytest.mark.parametrize("size", [(32, 32), (64, 48), (20, 45)])
def test_images_of_any_size_are_read_at_thirty_two_pixels(size):
    small = to_side(colours(2, size=size))
    assert small.shape == (2, 3, 32, 32)
    torch.testing.assert_close(to_side(torch.full((1, 3, *size), 0.3)), torch.full((1, 3, 32, 32), 0.3))


def clustered(n=60, seed=0, n_clusters=4, n_neighbours=5, n_components=6, n_references=80):
    """Strata of features in three dense and one thin cloud; and those features."""
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(4, 512))
    features = centres[generator.choice(4, n, p=[0.4, 0.3, 0.2, 0.1])] + 0.9 * generator.normal(size=(n, 512))
    strata = Strata(3, n_clusters, n_neighbours, n_components, n_references, seed)
    strata.fit(torch.from_numpy(features), alone)
    return strata, features


def test_clusters_are_scikit_learns_numbered_by_size():
    strata, features = clustered()
    projected = PCA(6, svd_solver="full").fit_transform(features)
    kmeans = KMeans(4, init="k-means++", n_init=10, random_state=0).fit(projected)
    order = np.argsort(-np.bincount(kmeans.labels_), kind="stable")
    assert strata.n_found == 60
    assert torch.equal(strata.clusters[:60], torch.from_numpy(np.argsort(order)[kmeans.labels_]))
    assert (strata.clusters[:60].bincount().diff() <= 0).all()
    np.testing.assert_allclose(strata.references[:60].abs(), np.abs(projected), atol=1e-4)


@pytest.mark.parametrize("n_neighbours", [1, 2, 5, 60])
def test_the_vote_is_scikit_learns(n_neighbours, monkeypatch):
    strata, features = clustered(n_neighbours=n_neighbours)
    near = np.random.default_rng(1).normal(size=(200, 512)) + features[np.arange(200) % 60]
    monkeypatch.setattr(strata, "features", lambda images: images)
    projected = (features - features.mean(axis=0)) @ strata.axes.double().numpy().T
    theirs = KNeighborsClassifier(n_neighbours, algorithm="brute").fit(projected, strata.clusters[:60].numpy())
    expected = theirs.predict((near - features.mean(axis=0)) @ strata.axes.double().numpy().T)
    assert n_neighbours == 60 or len(set(expected)) == 4
    assert np.array_equal(strata(torch.from_numpy(near)), expected)


def test_a_tie_goes_to_the_larger_cluster(monkeypatch):
    strata = Strata(3, 3, 4, 2, 6, seed=0)
    monkeypatch.setattr(strata, "features", lambda images: images)
    strata.axes[0, 0] = strata.axes[1, 1] = 1
    strata.references[:4] = torch.tensor([[0.0, 0], [0.1, 0], [0, 0.1], [0.1, 0.1]])
    strata.clusters[:4] = torch.tensor([2, 1, 2, 1])
    strata.n_found.fill_(4)
    assert strata(torch.zeros(1, 512)).tolist() == [1]


def test_references_beyond_the_bound_are_left_out_and_few_of_them_leave_components_at_zero():
    strata, _ = clustered(n=60, n_references=20)
    assert strata.n_found == 20
    strata, _ = clustered(n=5, n_components=8)
    assert not strata.axes[5:].any()
    assert strata.axes[:4].any(dim=1).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n": 3}, "`n_clusters` must be at most the number of different reference images, 3, found 4"),
        ({"n": 8, "n_neighbours": 9}, "`n_neighbours` must be at most the number of different reference images, 8"),
    ],
)
def test_more_clusters_or_neighbours_than_references_are_refused(settings, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        clustered(**settings)
