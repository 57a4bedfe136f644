import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsefront.data.faces.face_parts import FaceParts


def faces(positives, counts):
    """Labels and people: person 0 is looked for."""
    people = torch.repeat_interleave(torch.arange(len(counts) + 1), torch.tensor([positives, *counts]))
    return (people == 0).long(), people


def names_of(people, labels, part):
    return set(people[part][labels[part] == 0].tolist())


def test_the_papers_pictures_make_the_papers_parts():
    counts = np.bincount(np.random.default_rng(0).zipf(2, 5393 - 2188) % 2188, minlength=2188) + 1
    labels, people = faces(370, counts.tolist())
    assert (len(labels), people.max() + 1) == (5763, 2189)
    parts = FaceParts(75, 1094, seed=0).cut(labels, people)
    assert {name: len(part) for name, part in parts.items()} == {"test": 150, "val": 1094, "train": 4519}
    assert labels[parts["test"]].sum() == 75
    assert labels[parts["val"]].sum() == round(1094 * 295 / 5613)


def refusal(positives, counts, holdout, val):
    """What must be said of these sizes, where people of one picture make everything else possible."""
    others, looked_for = sum(counts) - holdout, positives - holdout
    if min(others, looked_for) < 1:
        return "`holdout` must leave"
    quota = round(val * looked_for / (others + looked_for))
    if quota >= looked_for or val - quota >= others:
        return "`val_size` must leave"
    return None


@given(st.integers(2, 30), st.lists(st.integers(1, 6), min_size=2, max_size=40), st.data())
@settings(deadline=None, max_examples=80)
def test_parts_are_exact_and_nobody_else_is_in_two(positives, counts, data):
    counts = [*counts, *[1] * 18]  # the holdout leaves six people of one picture, with which every sum can be made
    labels, people = faces(positives, counts)
    holdout, val = data.draw(st.integers(1, 12)), data.draw(st.integers(0, 20))
    seed = data.draw(st.integers(0, 3))
    refused = refusal(positives, counts, holdout, val)
    if refused is not None:
        with pytest.raises(ValueError, match=refused):
            FaceParts(holdout, val, seed).cut(labels, people)
        return
    parts = FaceParts(holdout, val, seed).cut(labels, people)
    assert sorted(torch.cat([*parts.values()]).tolist()) == list(range(len(labels)))
    assert torch.bincount(labels[parts["test"]]).tolist() == [holdout, holdout]
    assert len(parts["val"]) == val
    left = positives - holdout
    assert abs(labels[parts["val"]].sum() - val * left / (len(labels) - 2 * holdout)) <= 0.5
    assert len(labels[parts["train"]].unique()) == 2
    seen = [names_of(people, labels, part) for part in parts.values()]
    assert sum(len(one) for one in seen) == len(counts) == len(set.union(*seen))


def test_people_of_one_picture_make_every_size_exact():
    labels, people = faces(40, [1] * 30 + [7] * 20)
    for holdout in range(1, 20):
        for val in range(0, 60, 7):
            parts = FaceParts(holdout, val, seed=holdout).cut(labels, people)
            assert (len(parts["test"]), len(parts["val"])) == (2 * holdout, val)


def test_the_seed_alone_decides_and_validation_never_changes_the_holdout():
    labels, people = faces(20, [1, 2, 3, 4] * 10)
    torch.manual_seed(1)
    one = FaceParts(5, 12, seed=0).cut(labels, people)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    two = FaceParts(5, 12, seed=0).cut(labels, people)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(FaceParts(5, 31, seed=0).cut(labels, people)["test"], one["test"])
    assert set(FaceParts(5, 12, seed=1).cut(labels, people)["test"].tolist()) != set(one["test"].tolist())


def test_the_order_served_mixes_the_classes():
    labels, people = faces(60, [1] * 60)
    parts = FaceParts(40, 0, seed=0).cut(labels, people)
    assert 10 < labels[parts["test"][:40]].sum() < 30


def test_parts_stay_as_they_were_when_a_seed_is_given_again():
    # frozen: a change of these numbers would change the holdout of every earlier run
    parts = FaceParts(2, 3, seed=0).cut(*faces(5, [1, 2, 1, 2, 3]))
    assert {name: part.tolist() for name, part in parts.items()} == FROZEN


FROZEN = {"test": [0, 4, 8, 5], "val": [10, 9, 1], "train": [2, 3, 6, 7, 11, 12, 13]}


@pytest.mark.parametrize(
    ("positives", "others", "sizes", "message"),
    [
        (16, 2958, (75, 0.1), r"`holdout` must leave .* found 16 .* 2,958 .* holdout: 75 .*; the largest .* is 15"),
        (16, 2958, (16, 0.1), r"`holdout` must .*; the largest that does is 15"),
        (100, 8, (8, 0), r"`holdout` must .*found 100 .* and 8 .*; the largest that does is 7"),
        (20, 80, (10, 77), r"`val_size` must leave .*val_size: 77; the largest that does is 75"),
        (20, 80, (10, 1.0), r"`val_size` must leave .*val_size: 1.0; the largest that does is 75"),
        (1, 80, (10, 0), r"`holdout` must .*; lower `val_size` or add pictures"),
    ],
)
def test_too_few_pictures_are_refused_with_the_largest_size_that_is_possible(positives, others, sizes, message):
    with pytest.raises(ValueError, match=message):
        FaceParts(*sizes, seed=0).check_room(others, positives)


@pytest.mark.parametrize(("positives", "others"), [(16, 60), (9, 9), (40, 12), (300, 301)])
def test_the_largest_size_named_is_possible_and_the_next_one_is_not(positives, others):
    for val in (0, 3, 0.1):
        for parts, name in ((FaceParts(1000, val, 0), "holdout"), (FaceParts(2, 1000, 0), "val_size")):
            with pytest.raises(ValueError, match=f"`{name}`") as caught:
                parts.check_room(others, positives)
            largest = int(str(caught.value).rstrip(".").split()[-1])
            sizes = {"holdout": parts.holdout, "val_size": parts.val_size}
            FaceParts(**sizes | {name: largest}, seed=0).check_room(others, positives)
            with pytest.raises(ValueError, match="must leave"):
                FaceParts(**sizes | {name: largest + 1}, seed=0).check_room(others, positives)


def test_sizes_that_whole_people_do_not_make_are_refused_with_the_nearest_that_they_do():
    labels, people = faces(30, [10, 10, 12, 12])
    with pytest.raises(
        ValueError, match=r"`holdout` .* found 11; the nearest that can be: 10 and 12; .*_people: false"
    ):
        FaceParts(11, 0, seed=0).cut(labels, people)
    with pytest.raises(ValueError, match=r"`val_size` must .* found 5; the nearest that can be: (\d+);") as caught:
        FaceParts(10, 5, seed=0).cut(labels, people)
    nearest = int(str(caught.value).split("can be: ")[1].split(";")[0])
    assert len(FaceParts(10, nearest, seed=0).cut(labels, people)["val"]) == nearest
    alone = FaceParts(11, 5, seed=0).cut(labels, torch.arange(len(labels)))
    assert [len(part) for part in alone.values()] == [22, 5, len(labels) - 27]
