"""Attacks that are several, composed for the model that they meet."""

from abc import abstractmethod
from collections.abc import Iterable
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from sparsefront.attacks.base import Attack
from sparsefront.attacks.named import NamedAttack
from sparsefront.attacks.parts.bare_model import BareModel
from sparsefront.attacks.parts.chain import Chain
from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.parts.queries import checked_logits
from sparsefront.attacks.signs import SeenSigns
from sparsefront.attacks.views import WhiteBox


class Protocol(Attack):
    """A list of named attacks that follows from what a defended model declares.

    An evaluation runs the list in the place of the protocol, a row each. Called itself on a function from images to
    logits, it runs the list as a chain, without what needs training images or a front end.
    """

    early_stop = True
    early_stop_mend: ClassVar[str] = "leave its view at WhiteBox: it chooses views itself"

    @abstractmethod
    def entries(self, name: str, model: Any) -> list[NamedAttack]:
        """The attacks in their order, called `name.<attack>`.

        Args:
            name: of the protocol's entry.
            model: defended, with `frontend` and `num_classes`.
        """

    def perturb(self, model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Run the list as a chain: what brought a sample down, or its image of largest margin."""
        logits = _answers(model, images, labels)
        predictions = logits.argmax(dim=1)
        chain = Chain.begin(images, logits, predictions, labels, predictions == labels)
        bare = BareModel(model, images.shape[1:], logits.shape[1])
        batch = images, labels, indices
        seen = SeenSigns(batch)
        for named in self.entries("", bare):
            if named.view.n_fitting_images or named.attack.n_fitting_images:
                continue
            tried = seen.showing(named.where, WhiteBox()(bare), chain.standing)
            if not tried.any():
                continue
            attack = partial(named.attack, named.view(bare), *(tensor[tried] for tensor in batch))
            made = chain.made(tried, named.start, attack)
            logits = _answers(model, made, labels)
            chain.take(tried, made, logits, logits.argmax(dim=1), labels)
        return torch.where(chain.standing[:, None, None, None], chain.best, chain.images)


def expanded(attacks: Iterable[NamedAttack], model: Any) -> list[NamedAttack]:
    """Attacks with the lists that protocols among them are for a model in these protocols' places.

    Raises:
        ValueError: a protocol with settings of an entry beside its name, or two attacks of one name.
    """
    entries: list[NamedAttack] = []
    for named in attacks:
        if not isinstance(named.attack, Protocol):
            entries.append(named)
            continue
        if named != NamedAttack(named.name, named.attack):
            raise ValueError(
                f"`view`, `target`, `chain`, `start` and `where` of {named.name!r} must be left out: "
                f"{type(named.attack).__name__} chooses them for each of its attacks, found one that is set."
            )
        entries += named.attack.entries(named.name, model)
    names = [named.name for named in entries]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"`attacks` must have different names, found {', '.join(twice)} twice; rename one.")
    return entries


@torch.no_grad()
def _answers(model: Model, images: Tensor, labels: Tensor) -> Tensor:
    return checked_logits(model(images), labels)
