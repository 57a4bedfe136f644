"""Verdicts on models that draw random numbers."""

import math

import torch
from torch import nn

from sparsefront import DefendedClassifier
from sparsefront.data.batch import Batch
from sparsefront.evaluation.verdict import verdict
from sparsefront.frontends import Identity

BATCH = Batch(torch.full((3, 1, 1, 1), 0.5), torch.tensor([0, 0, 0]), torch.arange(3))


class Scripted(Identity):
    """Hands on one row of a script after the other, in the place of images."""

    randomised = True
    returns_images = False
    script: torch.Tensor

    def forward(self, images):
        self.calls = getattr(self, "calls", 0) + 1
        return self.script[self.calls - 1][:, :, None, None]


class Reads(nn.Module):
    def __init__(self, in_chans: int, num_classes: int):
        super().__init__()

    def forward(self, codes):
        return codes[:, :, 0, 0]


def judged(draws):
    """The verdict over some draws of three images' logits, (draws, 3, 2)."""
    model = DefendedClassifier(Reads, Scripted, image_shape=(1, 1, 1), num_classes=2).eval()
    model.frontend.script = torch.tensor(draws)
    return verdict(model, BATCH.image, BATCH, len(draws))


def test_the_mean_probability_of_the_draws_decides():
    drawn = [[[2.0, 0.0], [0.0, 1.0], [0.0, 3.0]], [[1.0, 0.0], [0.0, 2.0], [0.0, 0.5]], [[0.0, 1.0]] * 3]
    result = judged(drawn)
    expected = torch.tensor(drawn).softmax(dim=2).mean(dim=0).log()
    torch.testing.assert_close(result.logits, expected)
    assert result.predictions.tolist() == [0, 1, 1]
    torch.testing.assert_close(result.measured["draws"], torch.tensor([2 / 3, 0, 0], dtype=torch.float64))


def test_an_image_that_fools_the_mean_and_no_more_than_half_of_the_draws_counts_as_right():
    narrow, wide = [0.1, 0.0], [0.0, 5.0]  # right by little, wrong by much: the mean is wrong
    result = judged([[narrow, narrow, narrow], [narrow, narrow, wide], [wide, narrow, wide], [wide, wide, wide]])
    assert result.logits.argmax(dim=1).tolist() == [1, 1, 1]
    assert result.measured["draws"].tolist() == [0.5, 0.75, 0.25]
    assert result.predictions.tolist() == [0, 0, 1]


class Unsaid(Scripted):
    randomised = False


def test_where_no_front_end_says_that_it_draws_answers_that_differ_are_judged_by_most_draws():
    model = DefendedClassifier(Reads, Unsaid, image_shape=(1, 1, 1), num_classes=2).eval()
    right, wrong, narrow = [1.0, 0.0], [0.0, 1.0], [0.0, 0.1]
    # The first draw of the first two samples is wrong, as one in four and three in four of their draws are.
    drawn = [[wrong, wrong, narrow], [right, right, narrow], [right, wrong, narrow], [right, wrong, narrow]]
    model.frontend.script = torch.tensor(drawn)
    result = verdict(model, BATCH.image, BATCH, 4)
    assert result.predictions.tolist() == [0, 1, 1]
    assert result.measured == {}
    torch.testing.assert_close(result.logits[0], torch.tensor(drawn)[:, 0].softmax(dim=1).mean(dim=0).log())
    assert result.logits[2].tolist() == torch.tensor(narrow).tolist()  # one whose answer stays keeps its logits
    assert model.frontend.calls == 4


def test_where_answers_stay_a_model_is_asked_twice_and_the_first_answer_counts():
    model = DefendedClassifier(Reads, Unsaid, image_shape=(1, 1, 1), num_classes=2).eval()
    model.frontend.script = torch.tensor([[[0.3, 0.1], [0.0, 1.0], [2.0, 0.0]]] * 2)
    result = verdict(model, BATCH.image, BATCH, 10)
    assert torch.equal(result.logits, model.frontend.script[0])
    assert model.frontend.calls == 2


def test_a_logit_that_is_not_a_number_is_nobodys_label():
    assert judged([[[math.nan, 0.0], [1.0, 0.0], [1.0, 0.0]]] * 2).predictions.tolist() == [-1, 0, 0]


def test_one_draw_is_a_plain_forward():
    result = judged([[[2.0, 0.0], [0.0, 1.0], [0.0, 3.0]]])
    assert result.predictions.tolist() == [0, 1, 1]
    assert "draws" not in result.measured
