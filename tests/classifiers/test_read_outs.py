"""Classifiers of a front end's codes."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import LinearSVC

from sparsefront.classifiers import MLP, LinearSVM, Logistic, NeuronThreshold, ReadOut
from sparsefront.classifiers.linear_svm import PENALTIES


def blobs(n_images=60, n_neurons=7, n_classes=2, scale=1e-2, seed=0):
    """Small sparse codes of classes that overlap, the last class rarer."""
    generator = torch.Generator().manual_seed(seed)
    labels = (torch.arange(n_images) % (2 * n_classes - 1)).clamp_max(n_classes - 1).flip(0)
    centres = torch.randn(n_classes, n_neurons, generator=generator)
    codes = (centres[labels] + torch.randn(n_images, n_neurons, generator=generator)).clamp_min(0)
    return scale * codes, labels


@pytest.mark.parametrize("build", [Logistic, MLP, LinearSVM, NeuronThreshold])
def test_a_read_out_reads_the_mean_over_positions_and_ends_in_one_linear_layer(build):
    codes, labels = blobs()
    model = build(7, 2)
    if isinstance(model, ReadOut):
        model.learn(codes, labels)
    model.eval()
    maps = torch.rand(5, 7, 3, 4, requires_grad=True)
    logits = model(maps)
    assert logits.shape == (5, 2)
    torch.testing.assert_close(logits, model(maps.mean(dim=(2, 3), keepdim=True)))
    torch.testing.assert_close(torch.cat([model(one[None]) for one in maps]), logits)
    assert isinstance(model.linear, torch.nn.Linear)
    assert model.linear.out_features == 2
    assert torch.autograd.grad(logits[:, 1].sum(), maps)[0].any()
    with pytest.raises(ValueError, match=r"`codes` must have shape \(B, 7, h, w\), found \(5, 6, 2, 2\)"):
        model(torch.rand(5, 6, 2, 2))


@pytest.mark.parametrize("build", [Logistic, MLP])
def test_the_scale_of_codes_does_not_matter_to_training(build):
    codes, labels = blobs(scale=1.0)
    reached = []
    for scale in (1.0, 2.0**-6):
        torch.manual_seed(0)
        model = build(7, 2)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
        for _ in range(20):
            loss = torch.nn.functional.cross_entropy(model(scale * codes[..., None, None]), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        reached.append(loss.item())
    assert reached[1] == pytest.approx(reached[0], abs=0.05)
    assert reached[0] < 0.5


def test_logistic_regression_comes_where_scikit_learn_comes():
    """Trained long enough, in the scale that it brings codes to."""
    codes, labels = blobs(n_classes=3)
    model = Logistic(7, 3).double()
    optimizer = torch.optim.LBFGS(model.linear.parameters(), max_iter=200, line_search_fn="strong_wolfe")
    maps = codes.double()[..., None, None]

    def closure():
        optimizer.zero_grad()
        cross_entropy = torch.nn.functional.cross_entropy(model(maps), labels, reduction="sum")
        loss = cross_entropy + model.linear.weight.square().sum() / 2
        loss.backward()
        return loss

    optimizer.step(closure)
    scaled = ((codes - codes.mean()) / codes.std(correction=0)).numpy()
    theirs = LogisticRegression(C=1.0, tol=1e-8, max_iter=1000).fit(scaled, labels.numpy())
    found = model(maps).softmax(dim=1).detach().numpy()
    np.testing.assert_allclose(found, theirs.predict_proba(scaled), atol=2e-3)


def test_hidden_layers_are_as_many_and_as_wide_as_asked():
    widths = [layer.out_features for layer in MLP(7, 3, hidden=(5, 4)).modules() if isinstance(layer, torch.nn.Linear)]
    assert widths == [5, 4, 3]


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("balanced", [True, False])
def test_a_linear_svm_decides_as_scikit_learn_on_codes_of_common_deviation_one(n_classes, balanced):
    codes, labels = blobs(n_classes=n_classes)
    model = LinearSVM(7, n_classes, penalty=0.3, balanced=balanced)
    model.learn(codes, labels)
    deviation = np.sqrt(codes.double().numpy().var(axis=0).mean())
    theirs = LinearSVC(C=0.3, class_weight="balanced" if balanced else None, dual="auto", random_state=0)
    theirs.fit(codes.double().numpy() / deviation, labels.numpy())
    decision = theirs.decision_function(codes.double().numpy() / deviation)
    logits = model(codes[..., None, None]).detach().numpy()
    expected = np.stack([-decision / 2, decision / 2], axis=1) if n_classes == 2 else decision
    np.testing.assert_allclose(logits, expected, atol=1e-4)


def test_the_unit_of_codes_does_not_matter_to_the_penalty():
    codes, labels = blobs()
    logits = []
    for scale in (1.0, 1024.0):
        model = LinearSVM(7, 2, penalty=0.1)
        model.learn(scale * codes, labels)
        logits.append(model(scale * codes[..., None, None]))
    torch.testing.assert_close(*logits, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("balanced", [True, False])
def test_the_penalty_is_the_one_that_a_grid_search_finds(balanced):
    codes, labels = blobs(seed=3)
    model = LinearSVM(7, 2, penalty=None, balanced=balanced, folds=3)
    model.learn(codes, labels)
    scaled = codes.double().numpy() / np.sqrt(codes.double().numpy().var(axis=0).mean())
    machine = LinearSVC(class_weight="balanced" if balanced else None, dual="auto", random_state=0, max_iter=10_000)
    search = GridSearchCV(
        make_pipeline(FunctionTransformer(), machine),
        {"linearsvc__C": PENALTIES},
        scoring="balanced_accuracy" if balanced else "accuracy",
        cv=StratifiedKFold(3, shuffle=True, random_state=0),
    ).fit(scaled, labels.numpy())
    logits = model(codes[..., None, None]).detach()
    np.testing.assert_allclose(logits[:, 1] - logits[:, 0], search.decision_function(scaled), atol=1e-4)


def test_balancing_finds_the_rare_class():
    """One image of the class looked for in thirty."""
    generator = torch.Generator().manual_seed(1)
    labels = (torch.arange(300) % 30 == 0).long()
    codes = torch.randn(300, 4, generator=generator, dtype=torch.float32) + 1.2 * labels[:, None]
    found = {}
    for balanced in (True, False):
        model = LinearSVM(4, 2, balanced=balanced)
        model.learn(codes, labels)
        found[balanced] = balanced_accuracy_score(labels, model(codes[..., None, None]).argmax(dim=1))
    assert found[True] > 0.85 > found[False]


def best_balanced_accuracy(codes, labels):
    """By trying every cut of every neuron both ways."""
    best = 0.0
    for column in codes.T:
        for cut in np.unique(column)[:-1]:
            score = balanced_accuracy_score(labels, column > cut)
            best = max(best, score, 1 - score)
    return best


@settings(max_examples=40, deadline=None)
@given(
    codes=arrays(np.int64, st.tuples(st.integers(3, 12), st.integers(1, 4)), elements=st.integers(0, 4)),
    data=st.data(),
)
def test_the_threshold_has_the_best_balanced_accuracy_of_all(codes, data):
    labels = np.array(data.draw(st.lists(st.integers(0, 1), min_size=len(codes), max_size=len(codes))))
    if len(np.unique(labels)) < 2 or (codes == codes[0]).all():
        return
    model = NeuronThreshold(codes.shape[1], 2)
    model.learn(torch.tensor(codes) / 8, torch.tensor(labels))
    predicted = model(torch.tensor(codes)[..., None, None] / 8).argmax(dim=1)
    assert balanced_accuracy_score(labels, predicted) == pytest.approx(best_balanced_accuracy(codes, labels))
    assert model.linear.weight.any(dim=0).sum() == 1


def test_a_threshold_lies_midway_and_logits_count_deviations_of_the_neuron():
    codes = torch.tensor([[9.0, 1.0], [9.0, 2.0], [0.0, 4.0], [9.0, 6.0]])
    model = NeuronThreshold(2, 2)
    model.learn(codes, torch.tensor([1, 1, 0, 0]))  # class 1 lies below
    assert model.chosen == 1
    decision = (3 - codes[:, 1]) / codes[:, 1].std(correction=0)
    expected = torch.stack([-decision, decision], dim=1) / 2
    torch.testing.assert_close(model(codes[..., None, None]), expected)


def test_the_threshold_is_that_of_the_neuron_named():
    codes, labels = blobs()
    model = NeuronThreshold(7, 2, neuron=5)
    model.learn(codes, labels)
    assert model.chosen == 5
    score = balanced_accuracy_score(labels, model(codes[..., None, None]).argmax(dim=1))
    assert score == pytest.approx(best_balanced_accuracy(codes[:, 5:6].numpy(), labels.numpy()))
    with pytest.raises(ValueError, match=r"`neuron` must be one that differs .* found 5, which is 0 for all of 60"):
        model.learn(codes * (torch.arange(7) != 5), labels)


@pytest.mark.parametrize("build", [LinearSVM, NeuronThreshold])
def test_what_is_learned_comes_back_from_a_checkpoint_and_nothing_is_said_before(build):
    codes, labels = blobs()
    model, again = build(7, 2), build(7, 2)
    with pytest.raises(RuntimeError, match="has not learned yet; run `sparsefront fit`"):
        model(codes[..., None, None])
    model.learn(codes, labels)
    again.load_state_dict(model.state_dict())
    assert torch.equal(again(codes[..., None, None]), model(codes[..., None, None]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda codes, labels: (codes[1:], labels), r"`codes` must have shape \(60, 7\), a row a label"),
        (lambda codes, labels: (codes, 0 * labels), "`labels` must hold each of the 2 classes, found none of class 1"),
        (lambda codes, labels: (codes / 0, labels), "`codes` must be finite"),
        (lambda codes, labels: (0 * codes, labels), "`codes` must differ from image to image"),
    ],
)
def test_codes_that_teach_nothing_are_refused(change, message):
    model = LinearSVM(7, 2)
    with pytest.raises(ValueError, match=message):
        model.learn(*change(*blobs()))
    assert not model.learned


def test_a_class_with_fewer_images_than_folds_is_named():
    codes, labels = blobs(n_images=9)
    with pytest.raises(ValueError, match=r"`penalty` can be chosen in 5 `folds` where .* found 3 of one class"):
        LinearSVM(7, 2, penalty=None).learn(codes, labels)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Logistic(0, 2), "`in_chans` must be at least 1, found 0"),
        (
            lambda: MLP(7, 2, hidden=()),
            "`hidden` must list at least one layer .* it is sparsefront.classifiers.Logistic",
        ),
        (lambda: MLP(7, 2, dropout=2), "`dropout` must be from 0 to 1, found 2"),
        (lambda: LinearSVM(7, 1), "`num_classes` must be at least 2, found 1"),
        (lambda: LinearSVM(7, 2, penalty=0), "`penalty` must be positive and finite, found 0; null chooses"),
        (lambda: LinearSVM(7, 2, folds=1), "`folds` must be at least 2, found 1"),
        (lambda: LinearSVM(7, 2, max_iter=0), "`max_iter` must be at least 1, found 0"),
        (lambda: NeuronThreshold(7, 3), "`num_classes` must be 2, .* found 3; take LinearSVM"),
        (lambda: NeuronThreshold(7, 2, neuron=7), "`neuron` must be null or from 0 to 6, found 7"),
    ],
)
def test_a_setting_that_cannot_be_is_named(build, message):
    with pytest.raises(ValueError, match=message):
        build()
