"""JSMA: the pair search against brute force, the budget, and ART."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsefront.attacks import JSMA
from sparsefront.attacks.parts.salient_pairs import most_salient_pair
from tests.helpers.precision import in_single_precision

values = st.sampled_from([0.0, 1.0, -1.0, 0.5, -0.5]) | st.floats(-2, 2)


def by_brute_force(rises, falls, free):
    """The largest product of two positive sums, over all pairs; None where there is no such pair."""
    pixels = [i for i in range(len(rises)) if free[i]]
    sums = [(rises[p] + rises[q], falls[p] + falls[q]) for p in pixels for q in pixels if p < q]
    return max((up * down for up, down in sums if up > 0 and down > 0), default=None)


@given(rows=st.lists(st.tuples(values, values, st.booleans()), min_size=2, max_size=9))
@settings(deadline=None, max_examples=300)
def test_the_most_salient_pair_is_that_of_all_pairs(rows):
    rises, falls, free = ([row[k] for row in rows] for k in range(3))
    tensors = [torch.tensor([column], dtype=torch.float64) for column in (rises, falls)]
    pairs, helps = most_salient_pair(*tensors, torch.tensor([free]))
    best = by_brute_force(rises, falls, free)
    assert helps.item() == (best is not None)
    if best is not None:
        first, second = pairs[0].tolist()
        assert first != second
        assert free[first]
        assert free[second]
        found = (rises[first] + rises[second]) * (falls[first] + falls[second])
        assert found == pytest.approx(best, rel=1e-9)


@pytest.mark.parametrize("slope", [1.0, -1.0])  # few pixels that nobody beats, or all of them
def test_the_most_salient_pair_of_many_pixels(slope):
    rises = torch.randn(3, 300, dtype=torch.float64)
    falls = slope * rises + 0.05 * torch.rand(3, 300, dtype=torch.float64)
    free = torch.rand(3, 300) < 0.9
    pairs, helps = most_salient_pair(rises, falls, free)
    ups, downs = (rows[:, :, None] + rows[:, None] for rows in (rises, falls))
    allowed = free[:, :, None] & free[:, None] & (ups > 0) & (downs > 0) & ~torch.eye(300, dtype=torch.bool)
    best = torch.where(allowed, ups * downs, -torch.inf).flatten(1).amax(dim=1)
    found = rises.gather(1, pairs).sum(dim=1) * falls.gather(1, pairs).sum(dim=1)
    assert helps.all()
    torch.testing.assert_close(found, best)


def test_one_step_takes_the_pair_that_a_linear_model_gives():
    """Class 1 rises by 3 with pixels 1 and 2; pixel 3 rises by more but takes class 0 along."""
    weight = torch.tensor([[0.0, -1.0, -1.0, 9.0], [0.0, 3.0, 3.0, 5.0]])
    images, target = torch.full((1, 1, 2, 2), 0.2), torch.tensor([1])
    model = lambda x: x.flatten(1) @ weight.T + torch.tensor([3.0, 0.0])  # noqa: E731
    found = JSMA(theta=0.5, gamma=0.5, targeted=True)(model, images, target)
    torch.testing.assert_close(found.flatten(), torch.tensor([0.2, 0.7, 0.7, 0.2]))
    by_rise = JSMA(theta=0.5, gamma=0.5, targeted=True, pair_search="top2")(model, images, target)
    assert (by_rise - images).flatten()[3] > 0


@pytest.mark.parametrize("theta", [1.0, 0.3, -1.0, -0.3])
@pytest.mark.parametrize("pair_search", ["exact", "top2"])
def test_it_changes_few_pixels_and_only_in_its_own_direction(conv_net, theta, pair_search):
    images = torch.rand(30, 2, 6, 6, dtype=torch.float64)
    with torch.no_grad():
        labels = conv_net(images).argmax(dim=1)
    found = JSMA(theta=theta, gamma=0.12, pair_search=pair_search)(conv_net, images, labels)
    moves = (found - images).flatten(1)
    assert (moves * theta >= 0).all()
    assert ((moves != 0).sum(dim=1) <= int(0.12 * 72)).all()
    with torch.no_grad():
        fell = conv_net(found).argmax(dim=1) != labels
    assert fell.sum() >= 5


@pytest.mark.parametrize("number", [1, 2, 3, 6, 48, 49])
def test_a_share_of_the_pixels_is_as_many_pixels(number):
    # k / 49 times 49 lies below k for some k.
    def model(images):
        total = images.flatten(1).sum(dim=1)
        return torch.stack([total - 1e3, -total], dim=1)

    found = JSMA(gamma=number / 49, targeted=True)(model, torch.zeros(1, 1, 7, 7), torch.tensor([0]))
    assert found.sum() == number // 2 * 2


def test_targeted_reaches_the_target(conv_net):
    images = torch.rand(30, 2, 6, 6, dtype=torch.float64)
    with torch.no_grad():
        targets = (conv_net(images).argmax(dim=1) + 1) % 5
        reached = conv_net(JSMA(gamma=0.5, targeted=True)(conv_net, images, targets)).argmax(dim=1) == targets
    assert reached.sum() >= 10


@in_single_precision("ART brings images to it")
@pytest.mark.filterwarnings("ignore")
def test_top2_changes_the_pixels_that_art_changes(conv_net):
    evasion = pytest.importorskip("art.attacks.evasion", exc_type=ImportError)
    classification = pytest.importorskip("art.estimators.classification", exc_type=ImportError)
    net = copy.deepcopy(conv_net).float()
    images = torch.rand(20, 2, 6, 6)
    with torch.no_grad():
        targets = (net(images).argmax(dim=1) + 1) % 5
    classifier = classification.PyTorchClassifier(
        net, torch.nn.CrossEntropyLoss(), (2, 6, 6), 5, clip_values=(0, 1), device_type="cpu"
    )
    # ART changes pairs until more than gamma has been touched: one pair more.
    rival = evasion.SaliencyMapMethod(classifier, theta=1.0, gamma=0.25, batch_size=20, verbose=False)
    theirs = torch.from_numpy(rival.generate(images.numpy(), torch.eye(5)[targets].numpy()))
    found = JSMA(gamma=20 / 72, pair_search="top2", targeted=True)(net, images, targets)
    with torch.no_grad():
        mine, other = (conv_net(x.double()).argmax(dim=1) == targets for x in (found, theirs))
    assert mine.sum() >= other.sum()
    assert (found == theirs).flatten(1).all(dim=1)[other].float().mean() >= 0.9


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"theta": 0.0}, r"`theta` must lie in \[-1, 1\] and be 0.001 or more in size, found 0.0"),
        ({"theta": 2.0}, "`theta` must lie in"),
        ({"gamma": 0.0}, "`gamma` must be above 0 and at most 1, found 0; it is a share of the pixels"),
        ({"pair_search": "all"}, "`pair_search` must be one of exact, top2, found 'all'"),
    ],
)
def test_settings_are_checked_at_construction(settings, message):
    with pytest.raises(ValueError, match=message):
        JSMA(**settings)
