"""When a decoder reads nonzeros alone, and that it reads the same."""

import pytest
import torch
from torch import nn

from sparsefront.frontends import TopT
from sparsefront.frontends.parts import decoded_nonzeros


def top_t(**settings):
    torch.manual_seed(0)
    frontend = TopT((3, 12, 12), n_atoms=40, **{"top_t": 4, "decoder": "small", **settings}).eval()
    frontend.dictionary.copy_(nn.functional.normalize(torch.randn_like(frontend.dictionary), dim=0))
    frontend.learned.fill_(True)
    return frontend


def reads_nonzeros(frontend, codes=None):
    codes = torch.zeros(2, 9, 4) if codes is None else codes
    return decoded_nonzeros.decodes_nonzeros(frontend.decoder, codes)


@pytest.mark.parametrize("decoder", ["transposed", "small", "deep", "resize"])
@pytest.mark.parametrize("mode", ["exact", "smooth", "identity"])
def test_images_and_gradients_are_those_of_codes_with_their_zeros(monkeypatch, decoder, mode):
    frontend = top_t(decoder=decoder).double()
    assert reads_nonzeros(frontend, torch.zeros(2, 9, 4, dtype=torch.float64))
    images = torch.rand(2, 3, 12, 12, dtype=torch.float64, requires_grad=True)
    found = []
    for sparse in (True, False):
        if not sparse:
            monkeypatch.setattr("sparsefront.frontends.top_t.decodes_nonzeros", lambda *_: False)
        decoded = frontend.stand_in(mode)(images)
        weights = [layer.weight for layer in frontend.decoder if isinstance(layer, nn.ConvTranspose2d)]
        found.append((decoded, *torch.autograd.grad(decoded.square().sum(), [images, *weights])))
    for of_nonzeros, of_all in zip(*found, strict=True):
        torch.testing.assert_close(of_nonzeros, of_all)


@pytest.mark.parametrize("hooked", [lambda decoder: decoder, lambda decoder: decoder[0]], ids=["decoder", "layer"])
@pytest.mark.parametrize("kind", ["forward_hook", "forward_pre_hook", "full_backward_hook"])
def test_hooks_on_the_decoder_and_on_its_first_layer_are_called(hooked, kind):
    frontend, called = top_t(), []
    getattr(hooked(frontend.decoder), f"register_{kind}")(lambda *_: called.append(1))
    assert not reads_nonzeros(frontend)
    frontend.stand_in("smooth")(torch.rand(1, 3, 12, 12, requires_grad=True)).sum().backward()
    assert called


def test_a_decoder_with_a_forward_of_its_own_computes_what_it_computes():
    class Doubled(nn.Sequential):
        def forward(self, codes):
            return 2 * super().forward(codes)

    frontend = top_t()
    assert reads_nonzeros(frontend)
    frontend.decoder.__class__ = Doubled
    assert not reads_nonzeros(frontend)


def test_a_forward_that_was_put_in_the_layers_place_is_called():
    frontend = top_t()
    expected = frontend(images := torch.rand(1, 3, 12, 12))
    first = frontend.decoder[0]
    first.forward = lambda codes: nn.ConvTranspose2d.forward(first, 2 * codes)
    assert not reads_nonzeros(frontend)
    assert not torch.allclose(frontend(images), expected)


def test_a_layer_of_another_class_computes_what_it_computes():
    class Doubled(nn.ConvTranspose2d):
        def forward(self, codes, output_size=None):
            return 2 * super().forward(codes, output_size)

    frontend = top_t()
    frontend.decoder[0].__class__ = Doubled
    assert not reads_nonzeros(frontend)


def test_many_codes_half_precision_and_autocast_are_read_with_their_zeros():
    assert not reads_nonzeros(top_t(), torch.zeros(2, 9, 6))
    assert reads_nonzeros(top_t(), torch.zeros(2, 9, 5))
    assert not reads_nonzeros(top_t().bfloat16(), torch.zeros(2, 9, 4, dtype=torch.bfloat16))
    with torch.autocast("cpu"):
        assert not reads_nonzeros(top_t())


@pytest.mark.parametrize(
    "settings",
    [
        {"kernel_size": 4, "padding": 1},
        {"kernel_size": 4, "stride": 2, "output_padding": 1},
        {"kernel_size": 4, "groups": 2},
        {"kernel_size": 4, "dilation": 2},
        {"kernel_size": (4, 3)},
        {"kernel_size": 4, "stride": (1, 2)},
    ],
    ids=lambda settings: [*settings][-1],
)
def test_a_first_layer_of_another_kind_is_computed_by_itself(settings):
    decoder = nn.Sequential(nn.ConvTranspose2d(40, 6, **settings), nn.ReLU())
    assert not decoded_nonzeros.decodes_nonzeros(decoder, torch.zeros(2, 9, 4))
    assert decoded_nonzeros.decodes_nonzeros(nn.Sequential(nn.ConvTranspose2d(40, 6, 4, 2)), torch.zeros(2, 9, 4))


def test_a_decoder_that_is_no_chain_of_layers_is_computed_by_itself():
    assert not decoded_nonzeros.decodes_nonzeros(nn.Identity(), torch.zeros(2, 9, 4))
    assert not decoded_nonzeros.decodes_nonzeros(nn.Sequential(nn.ReLU()), torch.zeros(2, 9, 4))
