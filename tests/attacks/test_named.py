import pytest
import torch

from sparsefront.attacks import FGSM, PGD, GrayBox, NamedAttack, Rescaled, Square, Transfer, WhiteBox

LOGITS = torch.tensor([[5.0, 1.0, 3.0, 2.0], [0.0, 4.0, 1.0, 2.0], [0.0, 1.0, 2.0, 3.0]])
LABELS = torch.tensor([0, 3, 0])  # right, wrong, wrong and the least likely


@pytest.mark.parametrize(("target", "expected"), [("most_likely", [2, 1, 3]), ("least_likely", [1, 0, 1])])
def test_targets_are_the_likeliest_and_the_least_likely_wrong_class(target, expected):
    named = NamedAttack("a", FGSM(targeted=True), target=target)
    assert named.targets(LOGITS, LABELS, torch.arange(3)).tolist() == expected


def test_random_targets_cover_every_wrong_class_evenly_and_never_the_label():
    named = NamedAttack("a", FGSM(targeted=True), target="random")
    indices, labels = torch.arange(9000), torch.arange(9000) % 4
    targets = named.targets(torch.zeros(9000, 4), labels, indices)
    assert targets.dtype == torch.int64
    counts = torch.bincount((targets - labels) % 4, minlength=4)
    assert counts[0] == 0
    assert (counts[1:] - 3000).abs().max() < 4 * 3000**0.5
    shuffle = torch.randperm(9000)
    again = named.targets(torch.zeros(9000, 4), labels[shuffle], indices[shuffle])
    assert torch.equal(again, targets[shuffle])


@pytest.mark.parametrize("name", ["pgd40", "PGD-40_L2.v1+bpda"])
def test_names_that_make_a_metric(name):
    assert NamedAttack(name, FGSM()).view == WhiteBox()


@pytest.mark.parametrize("name", ["", "a b", "a/b", "pgd\n", "pgd:1"])
def test_names_that_would_not(name):
    with pytest.raises(ValueError, match="`name` of an attack may hold letters"):
        NamedAttack(name, FGSM())


@pytest.mark.parametrize("view", [GrayBox(), Transfer("other.ckpt")])
def test_early_stop_needs_the_deployed_model(view):
    NamedAttack("a", PGD(early_stop=True))
    NamedAttack("a", PGD(), view)
    with pytest.raises(ValueError, match=f"must not stop early with view {type(view).__name__}, found PGD"):
        NamedAttack("a", PGD(early_stop=True), view)
    with pytest.raises(ValueError, match=r"found Square.* write `early_stop: false` among its settings"):
        NamedAttack("a", Square(), view)
    with pytest.raises(ValueError, match=r"found Rescaled.* among the settings of the attack that it runs"):
        NamedAttack("a", Rescaled(Square()), view)
    NamedAttack("a", Rescaled(Square(early_stop=False)), view)


def test_an_unknown_target_is_named():
    with pytest.raises(ValueError, match="`target` must be one of most_likely, least_likely, random, found 'last'"):
        NamedAttack("a", FGSM(), target="last")
