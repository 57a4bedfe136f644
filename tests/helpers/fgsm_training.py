"""An objective of a user's own, as a configuration names one."""

import torch

from sparsefront.training.objectives import Objective, TrainingStep


class FGSMTraining(Objective):
    """Half the loss of clean images and half that of one step of FGSM, in evaluation mode (Goodfellow et al. 2015)."""

    def __init__(self, eps: float = 0.1, warm_up_steps: int = 0):
        self.eps = eps
        self.warm_up_steps = warm_up_steps

    def training_step(self, model, batch, step):
        eps = self.eps if step >= self.warm_up_steps else 0.0
        model.train(False)
        images = batch.image.clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad(model.loss(model(images), batch.label), images)
        adversarial = (images + eps * gradient.sign()).clamp(0, 1).detach()
        model.train(True)
        logits = model(batch.image)
        clean, moved = model.loss(logits, batch.label), model.loss(model(adversarial), batch.label)
        logged = {"clean_loss": clean.detach(), "adversarial_loss": moved.detach(), "eps": torch.tensor(eps)}
        return TrainingStep((clean + moved) / 2, logits, batch.label, logged)
