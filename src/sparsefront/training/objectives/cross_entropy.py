"""Natural training."""

from sparsefront.data.batch import Batch
from sparsefront.data.named_batch import NamedBatch
from sparsefront.training.objectives.objective import Objective
from sparsefront.training.objectives.trained_model import TrainedModel
from sparsefront.training.objectives.training_step import TrainingStep


class CrossEntropy(Objective):
    """Natural training: minimise the mean over clean images of w_y (-log p_y), p = softmax(logits), y the label.

    The weights w are the model's `class_weights`, 1 where there are none. Gradients go to the classifier and to what
    the front end leaves to train.
    """

    takes_projections = True

    def training_step(self, model: TrainedModel, batch: Batch | NamedBatch, step: int) -> TrainingStep:
        """The loss of a batch, see the base class."""
        logits = model.logits_of_batch(batch)
        return TrainingStep(model.loss(logits, batch.label), logits, batch.label)
