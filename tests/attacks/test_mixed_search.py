"""Random search by moves of several kinds, which walks on over plateaus."""

from functools import partial

import pytest
import torch

from sparsefront.attacks import MixedSearch, Square, perturbation_norm
from sparsefront.attacks.parts.balls import confine
from sparsefront.attacks.parts.losses import margin
from tests.helpers.asked_model import AskedModel

BALLS = pytest.mark.parametrize(("norm", "eps"), [("Linf", 0.05), ("L2", 0.4), ("L1", 2.0)])
GREY = torch.full((1, 1, 12, 12), 0.5)
ZERO = torch.zeros(1, dtype=torch.int64)


def constant(images):
    """Class 0, whatever it sees."""
    return torch.tensor([1.0, 0.0]).expand(len(images), 2)


def many(conv_net, count=60):
    images = torch.rand(count, 2, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        return images, conv_net(images).argmax(dim=1)


def fell(model, images, labels):
    with torch.no_grad():
        return model(images).argmax(dim=1) != labels


def test_a_proposal_of_equal_loss_is_taken():
    """On a plateau the search moves on: each point differs from the one before, more and more from the first."""
    spy = AskedModel(constant)
    MixedSearch(eps=0.1, n_queries=80, patience=80, n_walks=1)(spy, GREY, ZERO)
    walk = torch.cat(spy.asked[1:])
    moved = (walk[1:] != walk[:-1]).flatten(1).sum(dim=1)
    assert (moved > 0).all()
    assert moved[-40:].float().mean() < 0.5 * (walk[-1] != walk[40]).sum()


def test_it_brings_down_quantised_models_that_square_does_not(conv_net):
    def quantised(images):
        return (conv_net((images * 5).round() / 5) * 4).round()

    images = many(conv_net, 100)[0]
    labels = quantised(images).argmax(dim=1)
    by_square = fell(quantised, Square(eps=0.05, n_queries=200)(quantised, images, labels), labels).sum()
    found = MixedSearch(eps=0.05, n_queries=200, n_walks=1)(quantised, images, labels)
    assert fell(quantised, found, labels).sum() > by_square + 5


def test_a_walk_ends_when_patience_does_and_another_one_begins_elsewhere():
    spy = AskedModel(constant)
    MixedSearch(eps=0.1, n_queries=400, patience=50, n_walks=2)(spy, GREY, ZERO)
    points = torch.cat(spy.asked[1:]) - GREY
    striped = (points == points[..., :1, :]).flatten(1).all(dim=1).nonzero().flatten()
    first, second = striped[0], striped[-1]
    assert first == 0
    assert 40 <= second <= 51  # what changes nothing is not asked about
    assert len(points) <= 2 * 51
    assert not torch.equal(points[first], points[second])


def test_patience_is_a_quarter_of_the_queries_where_none_is_given():
    spy = AskedModel(constant)
    MixedSearch(eps=0.1, n_queries=200, n_walks=1)(spy, GREY, ZERO)
    given = AskedModel(constant)
    MixedSearch(eps=0.1, n_queries=200, patience=50, n_walks=1)(given, GREY, ZERO)
    assert len(spy.asked) == len(given.asked) <= 52


def test_each_rise_of_a_samples_loss_renews_its_patience():
    counts = []

    def slowly_rising(images):
        """Rises with every pixel above the middle that joins, and never fools."""
        counts.append(len(images))
        above = (images > 0.5).flatten(1).float().mean(dim=1)
        return torch.stack([2 - above, above], dim=1)

    MixedSearch(eps=0.1, n_queries=400, patience=40, n_walks=1)(slowly_rising, GREY, ZERO)
    assert 60 < sum(counts) < 400


@BALLS
def test_the_first_walk_begins_at_the_starts_and_the_second_in_stripes(conv_net, norm, eps):
    images, labels = many(conv_net, 5)
    starts, spy = images.flip(0), AskedModel(lambda x: 0 * conv_net(x) + torch.tensor([1.0, 0, 0, 0, 0]).double())
    attack = MixedSearch(eps=eps, norm=norm, n_queries=1)
    attack(spy, images, 0 * labels, starts=starts)
    attack(spy, images, 0 * labels)
    _, begun, second, _, first, again = spy.asked
    assert torch.equal(begun, confine(starts, images, eps, norm))
    assert torch.equal(second, again)  # one query a walk: that of its own start
    assert not torch.equal(first, begun)
    assert not torch.equal(first, second)


@BALLS
def test_what_it_returns_is_no_worse_than_the_starts(conv_net, norm, eps):
    images, labels = many(conv_net)
    starts = Square(eps=eps / 3, norm=norm, n_queries=40, seed=1)(conv_net, images, labels)
    found = MixedSearch(eps=eps / 3, norm=norm, n_queries=40)(conv_net, images, labels, starts=starts)
    before, after = fell(conv_net, starts, labels), fell(conv_net, found, labels)
    assert (after | ~before).all()
    assert after.sum() > before.sum()
    torch.testing.assert_close(found[before], starts[before], atol=1e-15, rtol=0)  # L2 balls are left as rounded
    with torch.no_grad():
        risen = margin(conv_net(found), labels) - margin(conv_net(starts), labels)
    assert (risen[~after] >= -1e-12).all()


def test_proposals_that_change_nothing_are_not_asked_about():
    """Of a black image the lower half of the ball is the image itself."""
    spy = AskedModel(constant)
    black = torch.zeros(40, 1, 6, 6)
    MixedSearch(eps=0.1, n_queries=60, patience=60, n_walks=1)(spy, black, ZERO.expand(40))
    assert sum(map(len, spy.asked[2:])) < 0.8 * 40 * 59
    apart = MixedSearch(eps=0.1, n_queries=60, patience=60, n_walks=1)
    assert len(torch.cat(spy.asked)[40:].unique(dim=0)) > 500
    assert torch.equal(apart(constant, black[:3], ZERO.expand(3)), apart(constant, black, ZERO.expand(40))[:3])


def test_what_rounding_alone_changes_is_a_tie(conv_net):
    """A model that answers the same image among other ones by a few last bits otherwise."""

    def rounding(images):
        levels = (conv_net((images * 4).round() / 4) * 2).round()
        return levels * (1 + len(images) % 3 * torch.finfo(images.dtype).eps)

    images = many(conv_net, 12)[0]
    labels = rounding(images).argmax(dim=1)
    attack = MixedSearch(eps=0.1, n_queries=60, patience=30)
    whole = attack(rounding, images, labels, torch.arange(12))
    alone = [attack(rounding, images[[row]], labels[[row]], torch.tensor([row])) for row in range(12)]
    assert torch.equal(torch.cat(alone), whole)


class Followed:
    """A model that answers for points near kept ones, and checks what it is told about these."""

    ends_in_logits = False

    def __init__(self, model):
        self.model, self.n_asked = model, 0

    def __call__(self, images):
        return self.model(images)

    def nearby(self, images):
        self.kept = images.clone()
        return self

    def ask(self, samples, points):
        self.n_asked += len(points)
        assert (points != self.kept[samples]).flatten(1).any(dim=1).all()
        assert samples.unique().equal(samples)
        self.pending = samples, points
        self.followed = torch.ones_like(samples, dtype=torch.bool)
        return self.model(points) + 1e-14  # rounding

    def settle(self, accepted):
        samples, points = self.pending
        self.kept[samples[accepted]] = points[accepted]


def test_a_model_that_follows_changes_is_asked_near_the_best_points(conv_net):
    def quantised(images):
        return (conv_net((images * 5).round() / 5) * 4).round()

    images = many(conv_net, 30)[0]
    labels = quantised(images).argmax(dim=1)
    attack = MixedSearch(eps=0.05, n_queries=60, patience=20)
    followed = Followed(quantised)
    assert torch.equal(attack(followed, images, labels), attack(quantised, images, labels))
    assert followed.n_asked > 500


def test_an_image_that_fools_by_a_near_answer_alone_does_not_count(conv_net):
    class Flattering(Followed):
        def ask(self, samples, points):
            return super().ask(samples, points).flip(1)

    images, labels = many(conv_net, 10)
    found = MixedSearch(eps=1e-6, n_queries=20)(Flattering(conv_net), images, labels)
    assert not fell(conv_net, found, labels).any()


@pytest.mark.parametrize(
    ("settings", "dtype"), [({"eot_iter": 2}, torch.float32), ({}, torch.float16), ({"norm": "L2"}, torch.float32)]
)
def test_averages_half_precision_and_wide_changes_ask_about_whole_images(settings, dtype):
    followed = Followed(lambda images: constant(images).to(images.dtype))
    MixedSearch(n_queries=5, **settings)(followed, GREY.to(dtype), ZERO)
    assert followed.n_asked == 0


def test_a_search_for_a_surrogate_goes_on_after_it_has_fallen(conv_net):
    images, labels = many(conv_net, 20)
    margins = {}
    for early_stop in (True, False):
        found = MixedSearch(eps=0.1, n_queries=60, early_stop=early_stop)(conv_net, images, labels)
        assert fell(conv_net, found, labels).any()
        with torch.no_grad():
            margins[early_stop] = margin(conv_net(found), labels).mean()
    assert margins[False] > margins[True] + 0.1


@BALLS
def test_it_is_as_strong_as_square_where_nothing_is_quantised(conv_net, norm, eps):
    images, labels = many(conv_net, 250)
    settings = {"eps": eps / 3, "norm": norm, "n_queries": 80}
    theirs = fell(conv_net, Square(**settings)(conv_net, images, labels), labels)
    own = fell(conv_net, MixedSearch(**settings, n_walks=1)(conv_net, images, labels), labels)
    assert 0.1 < theirs.double().mean() < 0.9
    # Both searches are random: three standard errors of the difference over samples fallen to one of the two.
    assert own.sum() >= theirs.sum() - 3 * max((own != theirs).sum().item(), 1) ** 0.5


@pytest.mark.parametrize("norm", ["L2", "L1"])
def test_ties_are_not_taken_where_they_would_spend_the_budget(norm):
    spy = AskedModel(constant)
    MixedSearch(eps=0.5, norm=norm, n_queries=30, patience=30, n_walks=1)(spy, GREY, ZERO)
    found = MixedSearch(eps=0.5, norm=norm, n_queries=30, n_walks=1)(constant, GREY, ZERO)
    assert torch.equal(found, spy.asked[1])


@pytest.mark.parametrize("norm", ["L2", "L1"])
def test_emptied_squares_spend_the_budget_elsewhere(norm):
    spy = AskedModel(constant)
    MixedSearch(eps=0.5, norm=norm, n_queries=60, patience=60, n_walks=1)(spy, GREY, ZERO)
    for asked in spy.asked[1:]:
        assert perturbation_norm(asked - GREY, norm) <= 0.5 * (1 + 1e-5)
    empty = [(asked == GREY).sum().item() for asked in spy.asked[1:]]
    assert max(empty) > empty[0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"eps": -1}, "`eps` must be >= 0"),
        ({"norm": "L3"}, "`norm` must be one of Linf, L2, L1"),
        ({"n_queries": 0}, "`n_queries` must be at least 1, found 0"),
        ({"patience": 0}, "`patience` must be at least 1, found 0"),
        ({"n_walks": 0}, "`n_walks` must be at least 1, found 0"),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        MixedSearch(**settings)


def rising_to(top, images, left=1.0):
    """Logits whose margin is twice the share of pixels above the middle, cut at `top`, and at most -2 `left`."""
    above = (images > 0.5).flatten(1).double().mean(dim=1).clamp_max(top)
    return torch.stack([top + left - above, above - top - left], dim=1)


@pytest.mark.parametrize(("top", "goes_on"), [(0.5, False), (1.0, True)])
def test_a_sample_that_gradients_have_led_to_the_top_is_searched_no_more(top, goes_on):
    starts = GREY.clone()
    starts.flatten()[: round(0.5 * starts.numel())] += 0.1
    spy = AskedModel(partial(rising_to, top))
    MixedSearch(eps=0.1, n_queries=400, patience=400)(spy, GREY, ZERO, starts=starts)
    points = torch.cat(spy.asked)
    striped = (points == points[..., :1, :]).flatten(1).all(dim=1)
    assert striped[100:].any() == goes_on  # another walk
    assert (len(points) > 200) == goes_on


def test_a_search_without_starts_has_no_trial():
    spy = AskedModel(constant)
    MixedSearch(eps=0.1, n_queries=400, patience=400, n_walks=1)(spy, GREY, ZERO)
    assert len(torch.cat(spy.asked)) > 300


def test_impatience_is_no_trial():
    starts = GREY.clone()
    starts.flatten()[: round(0.5 * starts.numel())] += 0.1
    spy = AskedModel(partial(rising_to, 0.5))
    MixedSearch(eps=0.1, n_queries=400, patience=5, n_walks=5)(spy, GREY, ZERO, starts=starts)
    assert len(torch.cat(spy.asked)) > 20


def test_walks_become_longer_by_their_growth():
    counts, points = [], []
    for growth in (1, 3):
        spy = AskedModel(partial(rising_to, 0.4, left=0.01))
        MixedSearch(eps=0.1, n_queries=40, patience=1000, n_walks=2, growth=growth)(spy, GREY, ZERO)
        counts.append(len(torch.cat(spy.asked)))
        points.append(torch.cat(spy.asked[1:]))
    assert counts[0] <= 1 + 40 + 40 < 120 < counts[1] <= 1 + 40 + 120
    assert torch.equal(points[0][:20], points[1][:20])
    assert not torch.equal(points[0][-20:], points[1][-20:])


@pytest.mark.parametrize(("ratio", "walks"), [(5.5, 1), (4.5, 2), (2.7, 2), (2.3, 3), (1.4, 3), (1.1, 4)])
def test_walks_that_grow_go_on_while_what_is_left_to_climb_is_little_beside_what_was_climbed(ratio, walks):
    spy = AskedModel(partial(rising_to, 0.4, left=0.4 * ratio))
    MixedSearch(eps=0.1, n_queries=40, patience=1000, n_walks=4, growth=2)(spy, GREY, ZERO)
    most = [40 * (2**count - 1) for count in range(5)]
    assert most[walks - 1] + 1 < len(torch.cat(spy.asked)) <= most[walks] + 1


def test_equal_walks_and_other_losses_are_not_given_up():
    for settings in ({"growth": 1}, {"growth": 2, "loss": "ce"}):
        spy = AskedModel(partial(rising_to, 0.4, left=4.0))
        MixedSearch(eps=0.1, n_queries=40, patience=1000, n_walks=2, **settings)(spy, GREY, ZERO)
        assert len(torch.cat(spy.asked)) > 1 + 40


def test_a_sample_is_given_up_by_its_own_margin_whatever_its_batch_mates():
    """The nearest a grey level from the top, the others further and further."""
    lefts = 0.4 * torch.tensor([1.0, 2.0, 4.0, 6.0], dtype=torch.float64)

    def model(images):
        """Of each sample by its darkest pixel, which no move inside the ball reaches."""
        left = lefts[(images[:, 0, 0, 0] * 10).round().long()][:, None]
        above = (images[:, :, 1:] > 0.5).flatten(1).double().mean(dim=1, keepdim=True).clamp_max(0.4)
        return torch.cat([0.4 + left - above, above - 0.4 - left], dim=1)

    images = GREY.repeat(4, 1, 1, 1)
    images[:, 0, 0, 0] = torch.arange(4) / 10
    settings = {"eps": 0.01, "n_queries": 40, "patience": 1000, "n_walks": 4, "growth": 2}
    spy, labels = AskedModel(model), torch.zeros(4, dtype=torch.int64)
    MixedSearch(**settings)(spy, images, labels, torch.arange(4))
    together = (torch.cat(spy.asked)[:, 0, 0, 0] * 10).round().long().bincount()
    for sample in range(4):
        alone = AskedModel(model)
        one = slice(sample, sample + 1)
        MixedSearch(**settings)(alone, images[one], labels[one], torch.tensor([sample]))
        assert len(torch.cat(alone.asked)) == together[sample]
    most = torch.tensor([40 * (2**walks - 1) + 1 for walks in (4, 3, 2, 1)])
    assert (together <= most).all()
    assert (together[:-1] > most[1:]).all()


def test_what_the_best_walk_reached_decides_not_the_last_one():
    """From a start nearly at the top; no walk from stripes comes near."""
    starts = GREY + 0.1

    def steep(images):
        above = (images > 0.5).flatten(1).double().mean(dim=1) ** 9
        return torch.stack([1.001 - above, above - 1.001], dim=1)

    spy = AskedModel(steep)
    MixedSearch(eps=0.1, n_queries=40, patience=20, n_walks=4, growth=2)(spy, GREY, ZERO, starts=starts)
    points = torch.cat(spy.asked)
    striped = (points == points[..., :1, :]).flatten(1).all(dim=1) & (points != points[..., :1]).flatten(1).any(dim=1)
    assert striped.sum() >= 3
