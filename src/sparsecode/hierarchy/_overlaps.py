"""What a code of stacked layers does to what drives the others, in tables."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from math import prod

import numpy as np
import torch
from torch import Tensor

from sparsecode.hierarchy.solved_layer import SolvedLayer


class Overlaps:
    """Of levels that feedback joins, the tables that compiled kernels work with.

    Codes lie level by level, (rows, columns, atoms) each. Where the code of atom k at p grows by d, there change

        the drive of its own level's atom l at q by -d <P d_k at p, d_l at q>, P the cut to the map, and its own by
        -d beta more,
        the drive of a code below it by d beta d_k there, beta that code's level's,
        the drive of an atom above it by d times that atom where the code lies.

    The first is a table for each kind of position, those that the map's borders cut alike.

    Args:
        levels: of a hierarchy, all.
        group: numbers of those that feedback joins.
        slots: of each level with one above, where its codes lie in that one's signal.
        pulls: beta of each level, 0 where nothing is above.
        masses: m of each level.
        positive: whether codes are at or above 0.

    Attributes:
        levels: (L, 12) int64, in the columns of `_native.hierarchy`.
        links: (links, 9) int64, likewise.
        kinds: int64, of every level the kinds of its rows and of its columns.
        tables: flat, of the atoms' precision.
        reals: (L, 5), of each level its threshold, that times its mass, 1 over its mass, its pull, and whether codes
            are at or above 0.
        bends: (K,), of each code the second derivative of E over its level's weight.
    """

    def __init__(
        self,
        levels: Sequence[SolvedLayer],
        group: Sequence[int],
        slots: Mapping[int, slice],
        pulls: Sequence[float],
        masses: Sequence[float],
        positive: bool,
    ) -> None:
        self._tables: list[Tensor] = []
        place = {index: number for number, index in enumerate(group)}
        maps = [_Map(levels[index]) for index in group]
        links: list[list[int]] = []
        above = [-1] * len(group)
        kinds: list[int] = []
        bends: list[Tensor] = []
        rows: list[list[int]] = []
        first = 0
        for number, (index, on_map) in enumerate(zip(group, maps, strict=True)):
            n_links, n_kinds = len(links), len(kinds)
            for child in levels[index].below:
                if child in place:
                    above[place[child]] = len(links)
                    links.append([place[child], number, *self._link(levels[index], maps[place[child]], slots[child])])
            products = on_map.products()
            bends.append((on_map.squared_norms(products) + pulls[index]).flatten())
            kinds += [*on_map.kinds(0), *on_map.kinds(1)]
            at = self._keep(products)
            rows.append([*on_map.shape, first, n_kinds, products.shape[1], at, *on_map.reach, n_links, len(links)])
            first += prod(on_map.shape)
        self.levels = np.array([[*row, link] for row, link in zip(rows, above, strict=True)], np.int64)
        self.links = np.array(links, np.int64).reshape(-1, 9)
        self.kinds = np.array(kinds, np.int64)
        self.tables = torch.cat(self._tables).numpy()
        self._tables.clear()
        of_levels = [
            [levels[index].lmbda, masses[index] * levels[index].lmbda, 1 / masses[index], pulls[index], positive]
            for index in group
        ]
        self.reals = np.array(of_levels, self.tables.dtype)
        self.bends = torch.cat(bends).numpy()

    def _keep(self, table: Tensor) -> int:
        """Where the table begins among all."""
        begin = sum(len(kept) for kept in self._tables)
        self._tables.append(table.flatten())
        return begin

    def _link(self, level: SolvedLayer, below: "_Map", slot: slice) -> list[int]:
        """A link's columns but its two levels: a level's atoms where they reconstruct the codes of one below it."""
        rows, columns, n_atoms = below.shape
        if level.atoms.ndim == 2:
            atoms, stride, padding = level.atoms[:, slot].reshape(-1, n_atoms, rows, columns), 1, (0, 0)
        else:
            atoms, stride, padding = level.atoms, level.stride, level.padding
        atom_taps, tap_atoms = self._keep(atoms.permute(0, 2, 3, 1)), self._keep(atoms.permute(2, 3, 1, 0))
        return [atoms.shape[2], atoms.shape[3], stride, *padding, atom_taps, tap_atoms]

    @staticmethod
    def n_bytes(levels: Sequence[SolvedLayer]) -> int:
        """How large the tables of all of these levels are."""
        entries = sum(
            2 * level.atoms.numel() * bool(level.below) + prod(_Map(level).products_shape) for level in levels
        )
        return entries * levels[0].atoms.element_size()


class _Map:
    """A level's atoms as filters on a map: one fully connected has a map of one pixel."""

    def __init__(self, level: SolvedLayer) -> None:
        connected = level.atoms.ndim == 2
        self.atoms = level.atoms[:, :, None, None] if connected else level.atoms
        self.stride = level.stride
        taps = self.atoms.shape[2:]
        edges = (1, 1) if connected else level.shape[1:]
        self._sides = list(zip(edges, level.padding, taps, strict=True))
        positions = [(edge + 2 * padding - tap) // self.stride + 1 for edge, padding, tap in self._sides]
        self.shape = (positions[0], positions[1], len(self.atoms))
        self.reach = [min((tap - 1) // self.stride, n - 1) for tap, n in zip(taps, positions, strict=True)]

    def _cuts(self, axis: int) -> list[tuple[int, int]]:
        """Of every position along an axis, which taps lie on the map, (first, last excluded)."""
        edge, padding, taps = self._sides[axis]
        starts = [position * self.stride - padding for position in range(self.shape[axis])]
        return [(max(0, -start), min(taps, edge - start)) for start in starts]

    def kinds(self, axis: int) -> list[int]:
        """Of every position along an axis its kind, those that are cut alike."""
        cuts = self._cuts(axis)
        return [sorted(set(cuts)).index(cut) for cut in cuts]

    @cached_property
    def products_shape(self) -> tuple[int, ...]:
        """(kinds down, kinds across, K, offsets down, offsets across, K)."""
        kinds = [len(set(self._cuts(axis))) for axis in (0, 1)]
        offsets = [2 * reach + 1 for reach in self.reach]
        return (*kinds, len(self.atoms), *offsets, len(self.atoms))

    def products(self) -> Tensor:
        """<d_k cut as on its kind of place, d_l at an offset>, of `products_shape`."""
        products = self.atoms.new_zeros(self.products_shape)
        for i, down in enumerate(range(-self.reach[0], self.reach[0] + 1)):
            for j, across in enumerate(range(-self.reach[1], self.reach[1] + 1)):
                for kind, rows in enumerate(sorted(set(self._cuts(0)))):
                    for other, columns in enumerate(sorted(set(self._cuts(1)))):
                        products[kind, other, :, i, j] = self._product(rows, columns, down, across)
        return products

    def _product(self, rows: tuple[int, int], columns: tuple[int, int], down: int, across: int) -> Tensor:
        """Atoms of which these rows and columns are left, times atoms so many strides away, (K, K)."""
        tall, wide = self.atoms.shape[2:]
        down, across = down * self.stride, across * self.stride
        top, bottom = max(rows[0], down), min(rows[1], down + tall)
        left, right = max(columns[0], across), min(columns[1], across + wide)
        if top >= bottom or left >= right:
            return self.atoms.new_zeros(len(self.atoms), len(self.atoms))
        here = self.atoms[:, :, top:bottom, left:right]
        there = self.atoms[:, :, top - down : bottom - down, left - across : right - across]
        return here.flatten(1) @ there.flatten(1).T

    def squared_norms(self, products: Tensor) -> Tensor:
        """Of every place's atoms, as far as they lie on the map, of `shape`."""
        norms = products[:, :, :, self.reach[0], self.reach[1]].diagonal(dim1=2, dim2=3)
        return norms[self.kinds(0)][:, self.kinds(1)]
