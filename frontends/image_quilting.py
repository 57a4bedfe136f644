"""Image quilting (Guo et al. 2018, "Countering adversarial images using input transformations")."""

import torch
from torch import Tensor
from torch.nn import functional as F

from sparsecode import extract_patches, full_precision
from sparsefront.common.rules import at_least, between, check_rules, fitting, integers
from sparsefront.frontends.base import FrontEnd
from sparsefront.frontends.parts.minimum_cut import join_overlapping
from sparsefront.frontends.parts.nearest import nearest
from sparsefront.frontends.parts.random_patches import random_patches


class ImageQuilting(FrontEnd):
    """Every patch replaced by a similar one of clean images, neighbours joined along minimum-error cuts.

    For the patch p at each place of a grid with step n - o, one of the K patches d of a database with the smallest
    ||p - d||^2 is taken, uniformly at random (Guo et al. 2018). Where two of them overlap, by o pixels, the
    border between them is the path of least squared difference (Efros and Freeman 2001, section 2.1). So the result
    holds only pixels of clean images.

    Defaults are the paper's for ImageNet: a million patches of 5x5 drawn uniformly, overlap 2, K = 10.

    Departures from the publications:

    * As in Guo et al. and unlike Efros and Freeman's synthesis, patches are chosen for the place alone, not also for
      how well they fit the patches chosen before.
    * The neighbours are exact ones, not those of an approximate index.
    * Cuts: first, in every row of the grid at once, neighbours are joined to a strip; then, at once, the strips, each
      pair by one path over the whole width. The publications go patch by patch with a left and an upper path each.
    * An image whose sides do not fit the grid is continued with its border pixels, and cut back.

    Backward modes: `identity` is the default. `exact` is 0 everywhere, for patches are chosen, not computed: an attack
    through it is blind.

    Args:
        image_shape: (C, H, W) of the images.
        patch_size: n, side of the patches, in pixels.
        overlap: o, pixels that neighbours share, at most half of n.
        n_neighbours: K; 1 takes the nearest patch and draws nothing.
        n_patches: size of the database; it is kept in the checkpoint, 4 C n^2 bytes a patch.
        n_iterations: batches of images that the database is drawn from, equally many patches of each.
        seed: of the draws of the database.
        max_bytes: bound on the working memory of the search.

    Raises:
        ValueError: a setting out of range; the message names it.
    """

    default_backward = "identity"
    draws_each_image = True
    learns_from_original = True
    database: Tensor

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        patch_size: int = 5,
        overlap: int = 2,
        n_neighbours: int = 10,
        n_patches: int = 1_000_000,
        n_iterations: int = 100,
        seed: int = 0,
        max_bytes: int = 2**28,
    ) -> None:
        super().__init__(image_shape)
        self.patch_size, self.overlap, self.n_neighbours = patch_size, overlap, n_neighbours
        self.n_patches, self.n_learning_steps, self.seed, self.max_bytes = n_patches, n_iterations, seed, max_bytes
        self._check_settings()
        self.randomised = n_neighbours > 1
        self.register_buffer("database", torch.zeros(n_patches, self.image_shape[0] * patch_size**2))
        self.learned.fill_(False)

    def _check_settings(self) -> None:
        more_patches = "lower it, or raise `n_patches`"
        rules = [
            *fitting(self.image_shape, 2, patch_size=self.patch_size),
            *integers(overlap=self.overlap, n_patches=self.n_patches),
            (
                1 <= self.overlap <= self.patch_size // 2,
                f"`overlap` must be from 1 to half of `patch_size` = {self.patch_size}, found {self.overlap}; "
                "with more, three patches would share a pixel.",
            ),
            *between(1, ("n_patches", self.n_patches), more_patches, n_neighbours=self.n_neighbours),
            *at_least(1, n_iterations=self.n_learning_steps, max_bytes=self.max_bytes),
        ]
        check_rules(rules)

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, C, H, W) images to images of the same shape, quilted from the database."""
        with torch.no_grad():
            quilted = self.quilt(images)
        return quilted + 0 * images  # the derivative is 0, not missing

    @full_precision
    def quilt(self, images: Tensor) -> Tensor:
        """Quilt (B, C, H, W) images."""
        self.check_learned()
        size, step, (height, width) = self.patch_size, self.patch_size - self.overlap, images.shape[2:]
        below, right = (-(side - size) % step for side in (height, width))
        padded = F.pad(images.to(torch.promote_types(images.dtype, torch.float32)), (0, right, 0, below), "replicate")
        patches = extract_patches(padded, size, step)
        rows, columns = ((side - size) // step + 1 for side in padded.shape[2:])
        chosen = self.database[self.choose(patches.flatten(0, 1))].to(images.dtype)
        tiles = chosen.reshape(len(images), rows, columns, images.shape[1], size, size)
        strips = join_overlapping(tiles, self.overlap)
        return join_overlapping(strips.mT, self.overlap).mT[:, :, :height, :width]

    def choose(self, patches: Tensor) -> Tensor:
        """Database rows (N,), for each of the patches (N, C n n) one of its K nearest, drawn uniformly."""
        found = nearest(patches, self.database, self.n_neighbours, self.max_bytes)
        if self.n_neighbours == 1:
            return found[:, 0]
        drawn = torch.randint(self.n_neighbours, (len(found), 1), device=found.device)
        return found.gather(1, drawn)[:, 0]

    def atoms(self) -> Tensor:
        """The first patches of the database, at most 256, as pictures (L, C, n, n)."""
        return self.database[:256].reshape(-1, self.image_shape[0], self.patch_size, self.patch_size)

    def learn_from(self, images: Tensor) -> dict[str, float]:
        """Add patches at random places of (B, C, H, W) images to the database, the same ones on every process."""
        quota = -(-self.n_patches // self.n_learning_steps)
        rows = slice(int(self.learning_step) * quota, min(int(self.learning_step + 1) * quota, self.n_patches))
        share = self.processes.share(quota)
        patches = self.processes.rows(random_patches(images, self.patch_size, share, self.learning_draws(self.seed)))
        filled = self.database[rows]
        filled.copy_(patches[: len(filled)])
        return {"patches": float(min(rows.stop, self.n_patches))}
