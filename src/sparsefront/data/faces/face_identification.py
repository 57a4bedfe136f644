"""One person among others."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import torch
from pytorch_lightning.utilities import rank_zero_only
from torch import Tensor

from sparsefront.common.home import at_home
from sparsefront.common.nearest import nearest
from sparsefront.common.rules import check_rules, count_or_fraction, not_below
from sparsefront.data.base import ImageData
from sparsefront.data.faces.face_parts import FaceParts
from sparsefront.data.faces.name_pictures import SHAPE, check_font, name_pictures
from sparsefront.data.faces.named_split import NamedSplit
from sparsefront.data.faces.repeats import without_repeats
from sparsefront.data.files.class_folders import list_classes
from sparsefront.data.files.crop import CenterCrop
from sparsefront.data.files.file_images import FileImages
from sparsefront.data.files.folder_name import folder_name
from sparsefront.data.loading.augment import Augmentation
from sparsefront.data.settings.face_reading import FaceReading
from sparsefront.data.settings.people_settings import PeopleSettings
from sparsefront.data.splits.parts import PartName
from sparsefront.data.splits.sources import ImageSource
from sparsefront.data.splits.split import Split

MEND = "point --data.init_args.root to a folder with one folder of pictures a person"

_PEOPLE, _READING = PeopleSettings(), FaceReading()


class FaceIdentification(ImageData):
    """Tells one person's face from those of others, in any folder of faces by person (paper 003, section 3.1).

    Label 1 is the person looked for, 0 everybody else. A picture's `index` is its place in the listing of `root`, see
    `ClassFolders`. The defaults are the paper's sizes: of its 5,763 pictures 75 + 75 are the holdout (the test part),
    1,094 validate, 4,519 train. The holdout is cut first, then validation in the classes' proportions, by the seed
    alone.

    No picture is in two parts. Those that are equal once they are cropped and resized count as one, the first;
    those equal under both labels are left out. Only the person looked for is in several parts, unless
    `people.disjoint_people` is false; the paper does not say how it drew.

    Training batches are `NamedBatch(image, label, index, second)`: `second` (B, 1, 16, 128) is a picture of the
    person's name, the paper's second modality (section 3.3). Evaluation batches are `Batch(image, label, index)`: the
    name would give the label away.

    Attributes:
        second_shape: (1, 16, 128), the shape of a name's picture; None without `names`.

    Args:
        root: holds a folder of pictures for each person.
        batch_size: images a batch on each process.
        image_size: side of the square images in pixels.
        val_size: validation pictures: an integer counts them, a float is a fraction of all.
        people: who is looked for, and whose pictures go where, see `PeopleSettings`.
        seed: fixes the parts, the order and the augmentation.
        augment: what training images go through, see `Augment`; names stay as they are.
        reading: what is cut out of each picture, by how many processes, and whether its name comes beside it, see
            `FaceReading`.

    Raises:
        ValueError: batch_size < 1, image_size < 1, seed < 0, a val_size that is no count or fraction,
            a folder that is missing or has no pictures, a file of two people, an unknown `positive`, too few pictures,
            no font at `reading.font`.
    """

    size_settings: ClassVar[tuple[str, ...]] = ("val_size", "holdout")

    def __init__(
        self,
        root: str = "data/faces",
        batch_size: int = 64,
        image_size: int = 64,
        val_size: int | float = 1094,
        people: PeopleSettings = _PEOPLE,
        seed: int = 0,
        augment: Augmentation = "none",
        reading: FaceReading = _READING,
    ) -> None:
        check_rules(
            [
                *not_below(1, "write e.g. image_size: 64", image_size=image_size),
                *count_or_fraction(val_size=val_size),
            ]
        )
        self.root = root = at_home(root)
        self.font = None if reading.font is None else at_home(reading.font)
        if reading.names:
            check_font(self.font)
        self.folder = list_classes(Path(root), MEND)
        self.people_shown = torch.tensor(self.folder.labels)
        self.labels = (self.people_shown == _label_of(people.positive, self.folder.names, root)).long()
        self.face_parts = FaceParts(people.holdout, val_size, seed)
        self.face_parts.check_room(*self.labels.bincount(minlength=2).tolist())
        super().__init__(
            image_shape=(3, image_size, image_size),
            class_names=("other", people.positive),
            own_parts=["train"],
            batch_size=batch_size,
            val_size=val_size,
            test_size=2 * people.holdout,
            seed=seed,
            num_workers=0,
            augment=augment,
        )
        self.crop = CenterCrop(image_size, reading.crop)
        self.decoders = reading.num_workers
        self.holdout = people.holdout
        self.people = people
        self.repeats = people.positive_share is not None
        self.second_shape = SHAPE if reading.names else None

    @property
    def display_name(self) -> str:
        """The name of the folder, and who is looked for."""
        return f"{folder_name(self.root)}, {self.class_names[1]}"

    def setup(self, stage: str | None = None) -> None:
        """Read what a stage needs, see the base class; first of all names that cannot be rendered are refused."""
        if stage in ("fit", None) and self.second_shape is not None:
            _ = self.name_pictures
        super().setup(stage)

    @cached_property
    def name_pictures(self) -> Tensor:
        """The name of each person, (P, 1, 16, 128) uint8, in the order of the folders."""
        return name_pictures(self.folder.names, self.font)

    def source(self, part: PartName) -> ImageSource:
        """All pictures, in the order of the listing.

        Raises:
            ValueError: files that are no whole pictures, or smaller than `crop`.
        """
        files = FileImages(self.folder.paths, self.labels, self.image_shape, self.crop)
        files.check_files(self.decoders)
        return files.in_memory(self.decoders)

    def cut(self, source: ImageSource) -> Mapping[PartName, Tensor]:
        """Cut the parts, see the class.

        Raises:
            ValueError: too few pictures, or people whose pictures do not add up to a part's size.
        """
        kept = without_repeats(source)
        if len(kept) < len(source):
            _say(
                f"{len(source) - len(kept):,} of {len(source):,} pictures are left out: equal ones count once, and not"
                " at all under two labels."
            )
        groups = self.people_shown if self.people.disjoint_people else torch.arange(len(source))
        parts = self.face_parts.cut(source.labels[kept], groups[kept])
        return {name: kept[positions] for name, positions in parts.items()}

    def _training_split(self) -> Split:
        split = self.plain_training_split()
        wanted = self.people.positive_share
        if wanted is not None and self.augmenting:
            positive = split.positions[split.source.labels[split.positions] == 1]
            others = len(split) - len(positive)
            times = round(wanted / (1 - wanted) * others / max(len(positive), 1))
            split.positions = torch.cat([split.positions, positive.repeat(max(times - 1, 0))])
        return split

    def plain_training_split(self) -> Split:
        """The training images without augmentation, in an order that does not change, with names if asked for."""
        if self.second_shape is None:
            return super().plain_training_split()
        return NamedSplit(*self._parts["train"], self.people_shown, self.name_pictures)


def _label_of(positive: str, names: Sequence[str], root: str) -> int:
    """The place of a person's folder; raises a ValueError that suggests near names where there is none."""
    if positive in names:
        return names.index(positive)
    near = nearest(positive, names)
    mend = f"did you mean {' or '.join(near)}?" if near else "write a folder's name as it is there."
    raise ValueError(f"`positive` must be one of the {len(names):,} folders in '{root}', found '{positive}'; {mend}")


@rank_zero_only
def _say(text: str) -> None:
    print(text, flush=True)
