"""How STL learns: in stages, cut short, from the clusters of another, and from what cannot teach it."""

import re

import pytest
import torch
from torch.nn import functional as F

from sparsecode import cbpdn
from sparsefront.frontends import Compose, Identity
from sparsefront.frontends.stl.cluster_coder import ClusterCoder
from tests.helpers.digits import digits
from tests.helpers.front_end_contract import fitted
from tests.helpers.small_stl import N_ITERATIONS, SHAPE, learned, objective, pictures, small


@pytest.mark.parametrize("settings", [{"n_iterations": 8}, {"learner": "consensus", "n_iterations": 1, "n_passes": 8}])
def test_learned_filters_lower_the_objective_of_held_out_digits(settings):
    batches, others = digits()
    shape, images = (1, 14, 14), torch.cat(batches[:2])
    frontend = fitted(small(shape, n_clusters=1, n_filters=16, **settings), images)
    high = frontend.coder.split(others[:20])[1]
    windows = frontend.coder.split(images)[1].unfold(2, 5, 1).unfold(3, 5, 1)
    patches = windows[:16, :, 4, 5]  # of the middle of 16 digits
    start = F.normalize(patches.flatten(1), dim=1).view(16, 1, 5, 5)
    before, after = (
        objective(high, filters, cbpdn(high, filters, 0.1, tolerance=1e-2).codes, 0.1)
        for filters in (start, frontend.coder.filters[0])
    )
    assert after < 0.9 * before
    torch.testing.assert_close(frontend.coder.filters.flatten(2).norm(dim=2), torch.ones(1, 16))


def test_each_clusters_filters_suit_its_images_better_than_the_others_do():
    frontend, images = learned(), pictures(12, seed=9)
    high, clusters = frontend.coder.split(images)[1], frontend.coder.assign(images)
    assert len(clusters.unique()) == 2
    for k in range(2):
        costs = [
            objective(part, filters, cbpdn(part, filters, 0.1).codes, 0.1)
            for part in [high[clusters == k]]
            for filters in frontend.coder.filters
        ]
        assert costs[k] < costs[1 - k]


def test_one_cluster_has_no_auto_encoder_and_learns_filters_alone():
    frontend = fitted(small(n_clusters=1), pictures(8))
    assert frontend.coder.strata is None
    assert set(frontend.state_dict()) == {"learned", "coder.filters"}
    assert frontend.n_learning_steps == N_ITERATIONS
    assert not frontend.coder.assign(pictures(3)).any()
    assert frontend.atoms().shape == (10, 3, 5, 5)


def test_atoms_are_the_filters_of_all_clusters():
    frontend = learned()
    assert torch.equal(frontend.atoms(), frontend.coder.filters.flatten(0, 1))
    assert frontend.atoms().shape == (20, 3, 5, 5)


def test_nothing_is_left_to_train_and_what_learning_needed_is_gone():
    frontend = learned()
    assert frontend._learner is None
    assert not any(parameter.requires_grad or parameter.grad is not None for parameter in frontend.parameters())


@pytest.mark.parametrize("learner", ["online", "consensus"])
@pytest.mark.parametrize("steps", [1, 5])
def test_a_run_cut_short_learns_a_little_of_everything(steps, learner):
    frontend = small(n_components=30, learner=learner, n_passes=2)
    frontend.n_learning_steps = steps
    fitted(frontend, pictures(12, seed=1))
    assert frontend.coder.strata.n_found > 0
    torch.testing.assert_close(frontend.coder.filters.flatten(2).norm(dim=2), torch.ones(2, 10))
    assert frontend(pictures(4)).isfinite().all()


def test_it_learns_as_a_part_of_others_and_there_too_when_cut_short():
    whole = Compose(SHAPE, [Identity, lambda shape: small(shape)])
    whole.n_learning_steps = 1
    fitted(whole, pictures(12, seed=1))
    assert whole(pictures(4)).isfinite().all()


def test_filters_alone_are_learned_with_the_clusters_of_a_checkpoint(tmp_path):
    first = learned()
    torch.save({"state_dict": first.state_dict()}, tmp_path / "alone.ckpt")
    torch.save({"state_dict": {f"frontend.{k}": v for k, v in first.state_dict().items()}}, tmp_path / "whole.ckpt")
    for name in ("alone", "whole"):
        again = small(lmbda=0.3, strata_checkpoint=str(tmp_path / f"{name}.ckpt"))
        assert again.n_learning_steps == N_ITERATIONS
        fitted(again, pictures(12, seed=1))
        for key, tensor in first.coder.strata.state_dict().items():
            assert torch.equal(again.coder.strata.state_dict()[key], tensor)
        assert not torch.equal(again.coder.filters, first.coder.filters)
    (tmp_path / "alone.ckpt").unlink()
    small(strata_checkpoint=str(tmp_path / "alone.ckpt")).load_state_dict(first.state_dict())


@pytest.mark.parametrize(
    ("settings", "whole", "message"),
    [
        ({}, None, "`strata_checkpoint` must name a checkpoint file, found none at "),
        ({}, b"no", "`strata_checkpoint` must be a whole checkpoint that `sparsefront fit` wrote, found "),
        ({"n_components": 5}, "learned", "`strata_checkpoint` must hold the clusters of an STL with the same channels"),
        (
            {"n_clusters": 3},
            "learned",
            "`n_clusters` must be the number of clusters in `strata_checkpoint`, 2, found 3",
        ),
    ],
)
def test_a_checkpoint_without_these_clusters_is_refused(tmp_path, settings, whole, message):
    path = tmp_path / "other.ckpt"
    if whole == "learned":
        torch.save({"state_dict": learned().state_dict()}, path)
    elif whole is not None:
        path.write_bytes(whole)
    frontend = small(**settings, strata_checkpoint=str(path))
    with pytest.raises(FileNotFoundError if whole is None else ValueError, match=f"^{re.escape(message)}"):
        frontend.learn_from(pictures(8))


@pytest.mark.parametrize(
    ("settings", "images", "message"),
    [
        ({}, pictures(4, shape=(3, 4, 9)), "`images` must have at least 5 pixels a side"),
        ({"n_clusters": 9}, pictures(4), "`n_clusters` must be at most the number of reference images, which 2 "),
        ({"n_neighbours": 9}, pictures(4), "`n_neighbours` must be at most the number of reference images, which 2 "),
        ({"n_components": 9}, pictures(4), "`n_components` must be at most the number of reference images, which 2 "),
    ],
)
def test_data_that_cannot_do_are_refused_before_the_long_work(settings, images, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        small(**settings).learn_from(images)


def test_equal_images_cannot_fill_clusters():
    frontend = small(autoencoder_iterations=1, n_components=2)
    with pytest.raises(ValueError, match=r"^`n_clusters` must be at most the number of different reference images, 1"):
        fitted(frontend, pictures(1).expand(8, -1, -1, -1))


def test_a_cluster_that_no_image_teaches_is_refused(monkeypatch):
    monkeypatch.setattr(ClusterCoder, "assign", lambda self, images: torch.zeros(len(images), dtype=torch.long))
    with pytest.raises(ValueError, match=r"^`n_clusters` must leave no cluster without images .*found \[24, 0\]"):
        fitted(small(), pictures(6))


def test_flat_images_hold_no_filters():
    with pytest.raises(ValueError, match=r"^The first batch must hold at least `n_filters` = 10 patches"):
        fitted(small(n_clusters=1), torch.full((4, *SHAPE), 0.5))


def test_it_must_learn_first():
    frontend = small()
    for name in frontend.backward_modes():
        with pytest.raises(RuntimeError, match=r"^This STL has not learned yet"):
            frontend.stand_in(name)(pictures(2))


def test_learning_does_not_touch_the_global_random_numbers():
    before = torch.get_rng_state()
    frontend = small()
    with torch.no_grad():
        for images in pictures(8, seed=1).split(4) * 5:
            frontend.learn_from(images)
            frontend.learning_step += 1
    assert torch.equal(torch.get_rng_state(), before)
