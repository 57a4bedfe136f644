"""How STL learns: an auto-encoder, clusters, and the filters of each cluster."""

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from sparsecode import ConsensusConvolutionalDictionary, OnlineConvolutionalDictionary, cbpdn
from sparsefront.frontends.parts.descent import descend
from sparsefront.frontends.parts.learner import Learner
from sparsefront.frontends.stl.denoising_autoencoder import to_side

if TYPE_CHECKING:
    from sparsefront.frontends.stl.stl import STL

_TOLERANCE = 2e-2  # of codes that filters are learned from
_FLAT = 1e-4  # norm up to which a patch of the high-pass part is rounding


class STLLearning(Learner):
    """What STL needs while it learns; its stages in their order, a batch of images a step.

    Several processes with shares of a batch, its images dealt out in turn, learn what one process learns from all of
    it, up to rounding: noise and places are drawn for the whole batch, and all else is sums or gathered.

    Args:
        owner: the front end, whose settings count and whose buffers are filled.
    """

    def __init__(self, owner: "STL") -> None:
        self.owner = owner
        self.strata: Any = owner.strata  # None where there is nothing to stratify
        self.processes = owner.processes
        self.reduce, self.rank, self.world = self.processes.sum, self.processes.rank, self.processes.world
        self.clustered = owner.n_clusters == 1
        self.features: list[Tensor] = []
        self.kept: list[list[Tensor]] = [[] for _ in range(owner.n_clusters)]
        self.counts: list[float] = []  # the same of the last batch
        self.seen = torch.zeros(owner.n_clusters, dtype=torch.long)  # images a cluster, over all processes
        self.online: list[OnlineConvolutionalDictionary] = []
        self.consensus: list[ConsensusConvolutionalDictionary] = []
        self.optimizer: torch.optim.Optimizer | None = None
        self.last: Tensor | None = None
        self.coder = partial(cbpdn, lmbda=owner.lmbda, tolerance=_TOLERANCE)
        if owner.strata_checkpoint is not None and self.strata is not None:
            self.strata.load(owner.strata_checkpoint, "strata_checkpoint")
            self.clustered = True

    def step(self, images: Tensor) -> dict[str, float]:
        """Learn from a batch (B, C, H, W) what it is the turn of; return what to log."""
        self.last = images
        step = int(self.owner.learning_step)
        if step == 0:
            self._check_batch(images)
        networks, references, filters, _ = self.owner.stages
        if step < networks:
            return self._denoise(images, step)
        if step < networks + references:
            metrics = self._refer(images)
            if step == networks + references - 1:
                self._cluster()
            return metrics
        if self.owner.learner == "online":
            return self._follow(images)
        if step < networks + references + filters:
            return self._keep(images)
        return self._pass()

    def finish(self) -> None:
        """Go through what a run that was cut short left out, on its last batch; refuse a cluster without images.

        Raises:
            ValueError: a whole run met no image of some cluster.
        """
        if self.last is None:
            return
        if not self.clustered:
            if not self.features:
                self._refer(self.last)
            self._cluster()
        if self.owner.learner == "online":
            if not self.online:
                self._follow(self.last)
        elif not self.consensus:
            if not self.seen.any():
                self._keep(self.last)
            self._pass()
        whole = int(self.owner.learning_step) >= sum(self.owner.stages)
        if whole and not self.seen.all():
            raise ValueError(
                f"`n_clusters` must leave no cluster without images to learn from, found {self.seen.tolist()} images "
                "in them; lower it, or raise `n_iterations`."
            )

    def _check_batch(self, images: Tensor) -> None:
        """Refuse settings that the references cannot fulfil before the long work begins; all processes or none."""
        owner, references = self.owner, self.owner.stages[1]
        if not references or owner.n_learning_steps < sum(owner.stages):
            return
        batch = int(self.reduce(images.new_tensor([len(images)])))
        most = min(owner.n_references, references * min(batch, self._quota()))
        for name in ("n_clusters", "n_neighbours", "n_components"):
            if getattr(owner, name) > most:
                raise ValueError(
                    f"`{name}` must be at most the number of reference images, which {references} batches of {batch} "
                    f"make {most}, found {getattr(owner, name)}; lower it, or raise `reference_iterations`, "
                    "`n_references` or `data.batch_size`."
                )

    def _denoise(self, images: Tensor, step: int) -> dict[str, float]:
        """One step of Adam on the auto-encoder."""
        owner = self.owner
        network = self.strata.autoencoder
        small = to_side(images.to(owner.filters))
        noise = self.processes.dealt(torch.randn, len(images), small.shape[1:], (owner.seed, step))
        noise = owner.noise * noise.to(small)
        if self.optimizer is None:  # now the parameters are on their device
            self.optimizer = torch.optim.Adam(network.parameters(), lr=owner.learning_rate)
        with torch.enable_grad():
            network.requires_grad_(True)
            losses = network.losses(small, noise, self.reduce)
            loss = descend(losses, self.optimizer, self.reduce, "STL's auto-encoder", step + 1)
            network.requires_grad_(False)
        return {"loss": loss}

    def _quota(self) -> int:
        """References taken of a batch, over all processes."""
        return -(-self.owner.n_references // max(self.owner.stages[1], 1))

    def _refer(self, images: Tensor) -> dict[str, float]:
        """Keep the features of the first images of the batch."""
        share = -(-self._quota() // self.world)
        found = self.processes.rows_in_turn(self.strata.features(images[:share].to(self.owner.filters)))
        self.features.append(found[: self._quota()])
        return {"references": float(sum(map(len, self.features)))}

    def _cluster(self) -> None:
        self.strata.fit(torch.cat(self.features), self.processes.from_first)
        self.clustered, self.features, self.optimizer = True, [], None

    def _coded(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """High-pass parts of this process's images and their clusters, of which all processes' are counted."""
        images = images.to(self.owner.filters)
        clusters = self.owner.assign(images)
        counts = self.reduce(clusters.bincount(minlength=len(self.seen)).to(images))
        self.seen += counts.long().cpu()
        self.counts = counts.tolist()
        return self.owner.split(images)[1], clusters

    def _follow(self, images: Tensor) -> dict[str, float]:
        """One step of every cluster's online learner."""
        high, clusters = self._coded(images)
        if not self.online:
            patches, whose = self._patches(high), self.processes.rows_in_turn(clusters)
            first = self._first_filters([patches[whose == k] for k in range(len(self.seen))])
            self.online = [OnlineConvolutionalDictionary(filters, self.coder) for filters in first]
        metrics = [learner.step(high[clusters == k], self.reduce) for k, learner in enumerate(self.online)]
        return self._adopt((learner.filters for learner in self.online), metrics)

    def _keep(self, images: Tensor) -> dict[str, float]:
        """Keep images of every cluster up to `n_kept_images`, on all processes."""
        high, clusters = (self.processes.rows_in_turn(part) for part in self._coded(images))
        for k, kept in enumerate(self.kept):
            room = self.owner.n_kept_images - sum(map(len, kept))
            kept.append(high[clusters == k][: max(room, 0)])
        return {"kept": float(sum(len(part) for kept in self.kept for part in kept))}

    def _pass(self) -> dict[str, float]:
        """One pass of consensus over the images kept of every cluster, each process over its share."""
        if not self.consensus:
            whole = [torch.cat(kept) for kept in self.kept]
            short = [k for k, kept in enumerate(whole) if len(kept) < self.world]
            if short:
                raise ValueError(
                    f"Every cluster must have at least {self.world} images to learn from, one a process, found "
                    f"{[len(kept) for kept in whole]}; lower `n_clusters`, or raise `n_iterations`."
                )
            shares = [kept[self.rank :: self.world] for kept in whole]
            self.counts = [float(len(kept)) for kept in whole]
            first = self._first_filters([self._patches(share) for share in shares])
            self.consensus = [
                ConsensusConvolutionalDictionary(share, filters, self.coder)
                for share, filters in zip(shares, first, strict=True)
            ]
            self.kept = []
        metrics = [learner.step(reduce=self.reduce) for learner in self.consensus]
        return self._adopt((learner.filters for learner in self.consensus), metrics)

    def _adopt(self, filters: Iterable[Tensor], metrics: list[dict[str, float]]) -> dict[str, float]:
        """Fill the front end's filters; return means over the images of all clusters."""
        self.owner.filters.copy_(torch.stack(list(filters)))
        total = max(sum(self.counts), 1)
        means = {
            name: sum(found[name] * count for found, count in zip(metrics, self.counts, strict=True)) / total
            for name in ("half_residual", "l1", "nonzeros")
        }
        return {**means, "replaced": float(sum(found["replaced"] for found in metrics))}

    def _patches(self, images: Tensor) -> Tensor:
        """Random patches (N, p, C, n, n) of the images of all processes."""
        size = self.owner.filter_size
        # A cluster with a share of the images has plenty for its filters.
        each = int(-(-4 * self.owner.n_filters * len(self.seen) // max(sum(self.counts), 1)))
        windows = images.unfold(2, size, 1).unfold(3, size, 1)  # a view (N, C, rows, columns, n, n)
        places = self.processes.dealt(torch.rand, len(images), (each, 2), (self.owner.seed, -1)).to(images)
        row, column = ((places[..., i] * windows.shape[2 + i]).long() for i in range(2))
        image = torch.arange(len(images), device=images.device)[:, None]
        return self.processes.rows_in_turn(windows[image, :, row, column])

    def _first_filters(self, patches: list[Tensor]) -> list[Tensor]:
        """For each cluster the first K of its patches that are not flat, and others' where it has too few.

        Args:
            patches: (N, p, C, n, n) of each cluster; of every image one is taken before a second one is.

        Raises:
            ValueError: fewer than K in all clusters together.
        """
        number = self.owner.n_filters
        rows = [part.transpose(0, 1).flatten(0, 1) for part in patches]
        rows = [part[part.flatten(1).norm(dim=1) > _FLAT] for part in rows]
        found = sum(map(len, rows))
        if found < number:
            raise ValueError(
                f"The first batch must hold at least `n_filters` = {number} patches that are not flat, found {found}; "
                "raise `data.batch_size` or lower `n_filters`."
            )
        return [torch.cat([own, *rows[:k], *rows[k + 1 :]])[:number] for k, own in enumerate(rows)]
