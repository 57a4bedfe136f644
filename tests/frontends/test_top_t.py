import math

import pytest
import pytorch_lightning as pl
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsecode.overcomplete_dct import overcomplete_dct
from sparsefront.frontends import Identity, TopT
from sparsefront.frontends.settings import TopTLearning, TopTQuantizer
from tests.helpers.front_end_contract import assert_keeps_the_contract
from tests.helpers.grouped import grouped

SHAPE = (3, 10, 10)


def learned(seed: int = 0, **settings_) -> TopT:
    """A TopT with random unit-norm atoms in place of learned ones."""
    small = {"image_shape": SHAPE, "n_atoms": 20, "top_t": 4, "decoder": "small"}
    top_t = TopT(**grouped(small | settings_, learning=TopTLearning, quantizer=TopTQuantizer))
    generator = torch.Generator().manual_seed(seed)
    atoms = torch.nn.functional.normalize(torch.randn(top_t.dictionary.shape, generator=generator), dim=0)
    with torch.no_grad():
        top_t.dictionary.copy_(atoms)
    top_t.learned.fill_(True)
    return top_t.eval()


def equation_3(patch, dictionary, top_t, threshold):
    """Paper 001, section 3.2, one patch at a time, in plain Python."""
    projections = [sum(p * d for p, d in zip(patch, atom, strict=True)) for atom in dictionary.T.tolist()]
    norms = [sum(abs(d) for d in atom) for atom in dictionary.T.tolist()]
    survivors = sorted(range(len(norms)), key=lambda atom: -abs(projections[atom]))[:top_t]
    return [
        math.copysign(norm, x) if atom in survivors and abs(x) / norm >= threshold else 0.0
        for atom, (x, norm) in enumerate(zip(projections, norms, strict=True))
    ]


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 99),
    top_t=st.integers(1, 20),
    eps=st.sampled_from([0.0, 8 / 255, 0.1]),
    stride=st.integers(1, 4),
)
def test_codes_are_those_of_equation_3(seed, top_t, eps, stride):
    frontend = learned(seed, top_t=top_t, eps=eps, stride=stride)
    images = torch.rand(1, *SHAPE, generator=torch.Generator().manual_seed(seed))
    codes = frontend.codes(images)[0]
    side = (SHAPE[1] - 4) // stride + 1
    assert len(codes) == side**2
    for row, column in [(0, 0), (0, side - 1), (side - 1, side // 2)]:
        patch = images[0, :, row * stride : row * stride + 4, column * stride : column * stride + 4].flatten()
        expected = equation_3(patch.tolist(), frontend.dictionary, top_t, 3 * eps)
        torch.testing.assert_close(codes[row * side + column], torch.tensor(expected), atol=1e-5, rtol=1e-5)


def test_at_most_t_codes_survive_and_each_is_a_signed_l1_norm():
    frontend = learned()
    codes = frontend.codes(torch.rand(4, *SHAPE))
    assert (codes != 0).sum(dim=-1).max() <= 4
    norms = frontend.dictionary.abs().sum(dim=0).expand_as(codes)
    torch.testing.assert_close(codes.abs()[codes != 0], norms[codes != 0])


@pytest.mark.parametrize(("beta", "may_turn"), [(0.51, False), (0.49, True)])
def test_no_linf_perturbation_within_eps_turns_the_sign_of_a_code_if_beta_exceeds_a_half(beta, may_turn):
    eps = 0.02
    frontend = learned(image_shape=(3, 4, 4), patch_size=4, stride=4, top_t=None, eps=eps, beta=beta)
    atoms = frontend.dictionary.T
    norms = atoms.abs().sum(dim=1)
    # One image an atom whose projection is the least that survives, and the worst perturbation of it.
    images = (1.001 * beta * eps * norms / atoms.square().sum(dim=1))[:, None] * atoms
    worst = images - eps * atoms.sign()
    clean, moved = (frontend.codes(batch.reshape(-1, 3, 4, 4)).flatten(1).diagonal() for batch in (images, worst))
    assert (clean > 0).all()
    assert (moved < 0).all() if may_turn else (moved >= 0).all()


@pytest.mark.parametrize("decoder", ["transposed", "small", "deep", "resize", "identity"])
@pytest.mark.parametrize("shape", [(3, 10, 10), (1, 13, 9)])
def test_every_decoder_keeps_the_contract(decoder, shape):
    frontend = learned(image_shape=shape, decoder=decoder)
    assert_keeps_the_contract(frontend, torch.rand(3, *shape))


@pytest.mark.parametrize(
    "settings_", [{"quantizer": None}, {"top_t": None}, {"dictionary": "dct"}, {"dictionary": "trainable"}]
)
def test_every_ablation_keeps_the_contract(settings_):
    assert_keeps_the_contract(learned(**settings_), torch.rand(3, *SHAPE))


def test_identity_keeps_the_contract():
    assert_keeps_the_contract(Identity(SHAPE), torch.rand(3, *SHAPE))


def gradient_of_codes(frontend, images, weights, mode, **settings_):
    """The gradient of <weights, codes>, read off a front end whose decoder is the identity."""
    x = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad((frontend.stand_in(mode, **settings_)(x) * weights).sum(), x)
    return gradient


def test_exact_gradient_without_the_quantiser_agrees_with_finite_differences():
    frontend = learned(quantizer=None, decoder="identity").double()
    images = torch.rand(1, *SHAPE, dtype=torch.float64)
    assert torch.autograd.gradcheck(frontend.stand_in("exact"), images.requires_grad_(), eps=1e-7, atol=1e-5)


def test_exact_gradient_with_the_quantiser_is_zero_as_finite_differences_say():
    frontend = learned(decoder="identity").double()
    images = torch.rand(1, *SHAPE, dtype=torch.float64)
    assert torch.autograd.gradcheck(frontend.stand_in("exact"), images.requires_grad_(), eps=1e-7, atol=1e-5)
    assert not gradient_of_codes(frontend, images.detach(), 1.0, "exact").any()


@pytest.mark.parametrize("top_u", [None, 4, 8, 20])
def test_smooth_gradient_is_that_of_the_papers_tanh_on_the_top_u(top_u):
    frontend = learned(decoder="identity").double()
    images = torch.rand(2, *SHAPE, dtype=torch.float64)
    weights = torch.randn(frontend(images).shape, dtype=torch.float64)

    x = images.clone().requires_grad_()
    patches = torch.nn.functional.unfold(x, 4, stride=2).mT  # (B, P, m)
    projections = patches @ frontend.dictionary
    order = projections.abs().argsort(dim=-1, descending=True).argsort(dim=-1)  # rank of each projection
    norms = frontend.dictionary.abs().sum(dim=0)
    # Where a projection is among the top U but not the top T, the activation is differentiated at 0 (authors' order).
    survivors = projections * (order < 4)
    survivors = survivors + (projections - projections.detach()) * (order >= 4)
    z = survivors / norms
    threshold = 3 * 8 / 255
    smooth = norms * 0.5 * (torch.tanh(4 * (z - threshold)) + torch.tanh(4 * (z + threshold))) * (order < (top_u or 8))
    (expected,) = torch.autograd.grad((smooth.mT.unflatten(2, (4, 4)) * weights).sum(), x)

    found = gradient_of_codes(frontend, images, weights, "smooth", top_u=top_u)
    torch.testing.assert_close(found, expected)


def test_identity_gradient_is_the_projections_own_on_the_top_u():
    frontend = learned(decoder="identity").double()
    images = torch.rand(2, *SHAPE, dtype=torch.float64)
    weights = torch.randn(frontend(images).shape, dtype=torch.float64)
    every = torch.nn.functional.fold(frontend.dictionary @ weights.flatten(2), SHAPE[1:], 4, stride=2)
    torch.testing.assert_close(gradient_of_codes(frontend, images, weights, "identity", top_u=20), every)
    assert not torch.allclose(gradient_of_codes(frontend, images, weights, "identity"), every)


def test_steepness_belongs_to_one_stand_in_and_not_to_the_class():
    one, other = learned(decoder="identity"), learned(decoder="identity")
    images, weights = torch.rand(1, *SHAPE), 1.0
    before = gradient_of_codes(one, images, weights, "smooth")
    other.stand_in("smooth", steepness=32.0)
    assert torch.equal(gradient_of_codes(one, images, weights, "smooth"), before)
    assert not torch.allclose(gradient_of_codes(other, images, weights, "smooth", steepness=32.0), before)


def test_the_decoder_is_trained_and_the_learned_dictionary_is_not():
    frontend = learned().train()
    frontend(torch.rand(2, *SHAPE)).sum().backward()
    assert all(parameter.grad is not None for parameter in frontend.decoder.parameters())
    assert "dictionary" not in dict(frontend.named_parameters())


def test_a_trainable_dictionary_gets_a_gradient_through_the_quantiser():
    frontend = learned(dictionary="trainable").train()
    frontend(torch.rand(2, *SHAPE)).sum().backward()
    assert frontend.dictionary.grad.any()


def test_cosines_have_unit_norm_and_contain_the_constant():
    atoms = overcomplete_dct(100, 3, 4)
    assert atoms.shape == (48, 100)
    torch.testing.assert_close(atoms.norm(dim=0), torch.ones(100))
    torch.testing.assert_close(atoms[:, 0], torch.full((48,), 48**-0.5))


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"top_t": 21}, "`top_t` must be from 1 to `n_atoms` = 20, found 21"),
        ({"eps": -0.1}, "`eps` must be >= 0, found -0.1; write it in pixel units"),
        ({"patch_size": 11}, "`patch_size` must be from 1 to the image's smaller side 10, found 11"),
        ({"stride": 0}, "`stride` must be at least 1"),
        ({"beta": 0.0}, "`beta` must be positive and finite"),
        ({"lmbda": 0.0}, "`lmbda` must be positive and finite"),
        ({"decoder": "huge"}, "`decoder` must be one of"),
    ],
)
def test_a_setting_out_of_range_is_named(settings_, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        learned(**settings_)


@pytest.mark.parametrize(
    ("mode", "settings_", "message"),
    [
        ("smooth", {"top_u": 3}, "`top_u` must be from `top_t` = 4 to `n_atoms` = 20, found 3"),
        ("smooth", {"steepness": 0.0}, "`steepness` must be positive and finite"),
        ("smooth", {"steep": 1.0}, "may hold .*'steepness', 'top_u'.*found .'steep'"),
        ("sharp", {}, "must be one of .*found 'sharp'"),
    ],
)
def test_a_backward_mode_that_cannot_be_is_named(mode, settings_, message):
    with pytest.raises(ValueError, match=message):
        learned().stand_in(mode, **settings_)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.rand(2, 1, 10, 10), "must have shape"),
        (torch.full((2, 3, 10, 10), 2.0), r"in \[0, 1\], found \[2, 2\]"),
        (torch.full((2, 3, 10, 10), math.nan), r"in \[0, 1\], found \[nan, nan\]"),
    ],
)
def test_images_that_are_not_pixels_are_refused(images, message):
    with pytest.raises(ValueError, match=message):
        learned().check_images(images)


def test_a_front_end_that_has_not_learned_says_so():
    with pytest.raises(RuntimeError, match="has not learned yet"):
        TopT(SHAPE)(torch.rand(1, *SHAPE))


def fit(frontend, images, **kwargs):
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(images), batch_size=16)
    trainer = pl.Trainer(
        max_epochs=-1, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, **kwargs,
    )  # fmt: skip
    trainer.fit(frontend, loader)
    return frontend


@pytest.mark.filterwarnings("ignore")
def test_a_trainer_learns_the_same_unit_norm_dictionary_from_the_same_seed():
    images = torch.rand(40, *SHAPE)
    first, second, other = (
        fit(TopT(SHAPE, n_atoms=30, decoder="small", learning=TopTLearning(0.1, n_iterations=12, seed=seed)), images)
        for seed in (0, 0, 1)
    )
    assert bool(first.learned)
    torch.testing.assert_close(first.dictionary.norm(dim=0), torch.ones(30))
    assert torch.equal(first.dictionary, second.dictionary)
    assert not torch.allclose(first.dictionary, other.dictionary)


@pytest.mark.filterwarnings("ignore")
def test_a_trainer_refuses_pixels_out_of_range_before_it_learns():
    with pytest.raises(ValueError, match=r"in \[0, 1\]"):
        fit(TopT(SHAPE, learning=TopTLearning(n_iterations=3)), 255 * torch.rand(40, *SHAPE))
