"""Random search by squares."""

import pytest
import torch

from sparsefront.attacks import Square, perturbation_norm
from sparsefront.attacks.parts.squares import square_side
from tests.helpers.asked_model import AskedModel
from tests.helpers.precision import in_single_precision

LINF_AND_L2 = [("Linf", 0.05), ("L2", 0.4)]
BALLS = pytest.mark.parametrize(("norm", "eps"), [*LINF_AND_L2, ("L1", 2.0)])
IN_SINGLE = in_single_precision("pyautoattack projects onto the L1 ball in it")
RIVAL_BALLS = pytest.mark.parametrize(("norm", "eps"), [*LINF_AND_L2, pytest.param("L1", 2.0, marks=IN_SINGLE)])


def many(conv_net, count=60):
    images = torch.rand(count, 2, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        return images, conv_net(images).argmax(dim=1)


def fell(model, images, labels):
    with torch.no_grad():
        return model(images).argmax(dim=1) != labels


@BALLS
def test_only_standing_samples_are_asked_about_and_the_budget_of_queries_is_kept(conv_net, norm, eps):
    images, labels = many(conv_net)
    spy = AskedModel(conv_net)
    found = Square(eps=eps, norm=norm, n_queries=40)(spy, images, labels)
    counts = [len(part) for part in spy.asked]
    assert counts[:2] == [60, 60]  # the clean images, the starts
    assert len(counts) == 1 + 40
    assert counts == sorted(counts, reverse=True)
    standing = (~fell(conv_net, found, labels)).sum()
    assert standing <= counts[-1] < 60


def test_restarts_go_to_samples_still_standing_and_help(conv_net):
    images, labels = many(conv_net)
    once = fell(conv_net, Square(eps=0.03, n_queries=10)(conv_net, images, labels), labels)
    spy = AskedModel(conv_net)
    often = fell(conv_net, Square(eps=0.03, n_queries=10, n_restarts=4)(spy, images, labels), labels)
    assert len(spy.asked[11]) == (~once).sum()
    assert (often | ~once).all()
    assert often.sum() > once.sum()


def test_a_sample_that_is_wrong_already_is_returned_as_it_is_for_one_query(conv_net, batch):
    images, labels = batch
    spy = AskedModel(conv_net)
    found = Square(eps=0.1, n_queries=5)(spy, images, labels)
    assert torch.equal(found[-1], images[-1])
    assert len(spy.asked[0]) == 7
    assert len(spy.asked[1]) == 6


def test_a_sample_no_query_fools_gets_the_image_of_highest_loss(conv_net, batch):
    images, labels = batch[0][:1], batch[1][:1]
    spy = AskedModel(conv_net)
    found = Square(eps=0.001, n_queries=20, loss="ce")(spy, images, labels)
    with torch.no_grad():
        losses = [torch.nn.functional.cross_entropy(conv_net(asked), labels) for asked in spy.asked[1:]]
    assert torch.equal(found, spy.asked[1 + max(range(20), key=losses.__getitem__)])


@pytest.mark.parametrize("query", [1, 7, 30])
def test_a_linf_query_changes_one_square_to_plus_or_minus_eps(query):
    eps, spy = 0.1, AskedModel(lambda x: torch.stack([x.flatten(1)[:, 0] * 0 + 1, x.flatten(1)[:, 0] * 0], dim=1))
    images = torch.full((5, 3, 12, 12), 0.5)
    Square(eps=eps, n_queries=40, p_init=0.3)(spy, images, torch.zeros(5, dtype=torch.int64))
    start, asked = spy.asked[1], spy.asked[1 + query]  # a constant model: no query is kept
    torch.testing.assert_close((start - 0.5).abs(), torch.full_like(start, eps))
    assert torch.equal(start, start[:, :, :1].expand_as(start))  # stripes
    sides = set()
    for before, after in zip(start, asked, strict=True):
        torch.testing.assert_close((after - 0.5).abs(), torch.full_like(after, eps))
        rows, columns = (before != after).any(dim=0).nonzero(as_tuple=True)
        if len(rows):
            box = after[:, rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
            assert torch.equal(box, box[:, :1, :1].expand_as(box))  # one sign a channel
            sides.add(max(box.shape[1:]))
    assert max(sides) <= round((0.3 * 144) ** 0.5)


def test_squares_shrink_by_the_papers_schedule():
    images = torch.zeros(1, 3, 32, 32)
    queries = (10, 11, 51, 201, 501, 1001, 2001, 4001, 6001, 8001)
    sides = [square_side(query, 10000, 0.8, images, "Linf") for query in queries]
    assert sides == [max(round((0.8 / 2**k * 1024) ** 0.5), 1) for k in range(10)]
    assert square_side(1, 100, 0.8, images, "Linf") == square_side(100, 10000, 0.8, images, "Linf")


def test_squares_reach_every_pixel():
    spy = AskedModel(lambda x: torch.stack([x.flatten(1)[:, 0] * 0 + 1, x.flatten(1)[:, 0] * 0], dim=1))
    images = torch.full((200, 1, 5, 5), 0.5)
    Square(eps=0.1, n_queries=3, p_init=0.04)(spy, images, torch.zeros(200, dtype=torch.int64))
    assert ((spy.asked[2] != spy.asked[1]).sum(dim=0) > 0).all()


@pytest.mark.parametrize(("norm", "eps"), [("L2", 0.4), ("L1", 2.0)])
def test_windows_spend_the_whole_budget_where_the_box_lets_them(norm, eps):
    spy = AskedModel(lambda x: torch.stack([x.flatten(1)[:, 0] * 0 + 1, x.flatten(1)[:, 0] * 0], dim=1))
    images = torch.full((6, 3, 16, 16), 0.5, dtype=torch.float64)
    Square(eps=eps, norm=norm, n_queries=30)(spy, images, torch.zeros(6, dtype=torch.int64))
    for asked in spy.asked[1:]:
        torch.testing.assert_close(perturbation_norm(asked - images, norm), torch.full((6,), eps, dtype=torch.float64))


def test_a_search_for_a_surrogate_goes_on_after_it_has_fallen(conv_net):
    images, labels = many(conv_net, 20)
    margins = {}
    for early_stop in (True, False):
        found = Square(eps=0.1, n_queries=60, early_stop=early_stop)(conv_net, images, labels)
        with torch.no_grad():
            logits = conv_net(found)
        own = logits.gather(1, labels[:, None]).squeeze(1)
        margins[early_stop] = (logits.scatter(1, labels[:, None], -torch.inf).amax(dim=1) - own).mean()
        assert fell(conv_net, found, labels).any()
    assert margins[False] > margins[True] + 0.1


def test_a_targeted_search_reaches_targets(conv_net):
    images, labels = many(conv_net, 20)
    found = Square(eps=0.3, n_queries=150, targeted=True)(conv_net, images, (labels + 1) % 5)
    assert (~fell(conv_net, found, (labels + 1) % 5)).double().mean() > 0.5


@RIVAL_BALLS
@pytest.mark.parametrize("loss", ["cw", "ce"])
def test_as_strong_as_autoattacks(conv_net, norm, eps, loss):
    square = pytest.importorskip("pyautoattack.square")
    images, labels = many(conv_net, 250)
    eps = eps / 3
    own = fell(conv_net, Square(eps=eps, norm=norm, n_queries=80, loss=loss)(conv_net, images, labels), labels)
    name = {"cw": "margin", "ce": "ce"}[loss]
    oracle = square.SquareAttack(conv_net, norm=norm, n_queries=80, eps=eps, loss=name)
    with torch.no_grad():
        theirs = fell(conv_net, oracle.perturb(images.clone(), labels), labels)
    assert 0.1 < theirs.double().mean() < 0.9
    # Both searches are random: three standard errors of the difference over 250 samples fallen to one of the two.
    differing = (own != theirs).sum().item()
    assert own.sum() >= theirs.sum() - 3 * max(differing, 1) ** 0.5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"eps": -1}, "`eps` must be >= 0"),
        ({"norm": "L3"}, "`norm` must be one of Linf, L2, L1"),
        ({"loss": "margin"}, "`loss` must be one of ce, cw, dlr"),
        ({"n_queries": 0}, "`n_queries` must be at least 1"),
        ({"n_restarts": 0}, "`n_restarts` must be at least 1"),
        ({"p_init": 0.0}, "`p_init` must be above 0 and at most 1, found 0; it is a share of the image"),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        Square(**settings)


@pytest.mark.parametrize("norm", ["Linf", "L2", "L1"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 2, 9), (1, 7, 3)])
def test_images_that_are_not_square_or_smaller_than_a_window_work(norm, shape):
    images, labels = torch.rand(4, *shape), torch.zeros(4, dtype=torch.int64)

    def model(images):
        mean = images.mean((1, 2, 3))
        return torch.stack([1 + 0 * mean, mean], dim=1)

    found = Square(norm=norm, n_queries=6)(model, images, labels)
    assert found.isfinite().all()
    assert not torch.equal(found, images)
