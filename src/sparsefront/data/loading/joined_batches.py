"""Training batches that all hold more than one image."""

from collections.abc import Iterator

from torch.utils.data import BatchSampler


class JoinedBatches:
    """The batches of a sampler, the last one joined to the one before where it would hold a single image.

    Batch normalisation cannot train on one image where nothing is left of its height and width, and has no spread to
    estimate where something is. No image is lost, and each process has as many batches as the others.

    Args:
        batches: gives lists of positions.
    """

    def __init__(self, batches: BatchSampler) -> None:
        self._batches = batches

    @staticmethod
    def needed(batches: BatchSampler) -> bool:
        """Whether the last of several batches, all of more than one image, would hold one."""
        whole, left = divmod(len(batches.sampler), batches.batch_size)  # type: ignore[arg-type]
        return left == 1 and whole > 0 and not batches.drop_last

    def __len__(self) -> int:
        return len(self._batches) - 1

    def __iter__(self) -> Iterator[list[int]]:
        held: list[int] = []
        for batch in self._batches:
            if len(batch) == 1:
                held += batch
                continue
            if held:
                yield held
            held = list(batch)
        yield held
