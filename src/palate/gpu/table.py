"""A table of ratings on a card, cut into blocks of rows of like length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

__all__ = ["Bucket", "DeviceTable", "Slab", "upload"]

# Rows are padded to a multiple of this number of ratings, and at most by about this share.
_STEP, _SHARE = 4, 1 / 8
# The ratings of a slab: 1 GiB of indices and values.
_SLAB = 1 << 27
# A table takes at most this share of the card's memory. A larger one is uploaded slab by slab in each half-step.
_RESIDENT = 0.3


class Bucket(NamedTuple):
    """Rows of like length.

    Attributes
    ----------
    rows
        int64 tensor: their numbers, counted from the first row of the slab.
    length
        The number of ratings that they are padded to.
    """

    rows: torch.Tensor
    length: int


@dataclass
class Slab:
    """Consecutive rows whose ratings are on the card together.

    Attributes
    ----------
    start, stop
        The rows.
    starts, counts
        int64 tensors (stop - start,): the place of the first rating of each row in the slab, and how many it has.
    buckets
        The rows, by length.
    ratings
        The tensors of indices and values, if they stay on the card.
    """

    start: int
    stop: int
    starts: torch.Tensor
    counts: torch.Tensor
    buckets: list[Bucket]
    ratings: tuple[torch.Tensor, torch.Tensor] | None = None


def upload(array: NDArray[Any], device: torch.device) -> torch.Tensor:
    """Return an array as a tensor on a device; on the CPU both share the memory."""
    import torch

    # PyTorch warns of arrays that cannot be written, such as those of a file that is mapped into memory.
    array = np.require(array, requirements=["C", "W"])
    return torch.from_numpy(array).to(device)


@dataclass
class DeviceTable:
    """A table, grouped by the rows of one side, as a card reads it.

    Parameters
    ----------
    indptr, indices, values
        As in `palate.ratings.Grouped`.
    device
        The card.
    slab_ratings
        The number of ratings of a slab; a row that has more is a slab of its own.
    resident
        Whether the ratings may stay on the card; None if they take a small enough part of its memory.
    """

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    values: NDArray[np.float32]
    device: torch.device
    slab_ratings: int = _SLAB
    resident: bool | None = None
    slabs: list[Slab] = field(init=False)

    def __post_init__(self) -> None:
        import torch

        if self.resident is None:
            size = self.indices.nbytes + self.values.nbytes
            is_card = self.device.type == "cuda"
            memory = torch.cuda.get_device_properties(self.device).total_memory if is_card else 0
            self.resident = not is_card or size < _RESIDENT * memory
        self.slabs = [self._slab(start, stop) for start, stop in _slab_ranges(self.indptr, self.slab_ratings)]

    def _slab(self, start: int, stop: int) -> Slab:
        starts = self.indptr[start : stop + 1] - self.indptr[start]
        counts = np.diff(starts)
        padded = _padded(counts)
        order = np.argsort(padded, kind="stable")
        bounds = np.flatnonzero(np.diff(padded[order], prepend=-1, append=-1))
        buckets = [
            Bucket(upload(order[first:end].astype(np.int64), self.device), int(padded[order[first]]))
            for first, end in pairwise(bounds)
        ]
        return Slab(start, stop, upload(starts[:-1], self.device), upload(counts, self.device), buckets)

    def load(self, slab: Slab) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the indices and values of a slab on the card."""
        if slab.ratings is not None:
            return slab.ratings
        part = slice(int(self.indptr[slab.start]), int(self.indptr[slab.stop]))
        ratings = upload(self.indices[part], self.device), upload(self.values[part], self.device)
        if self.resident:
            slab.ratings = ratings
        return ratings

    def free(self) -> bool:
        """Keep no ratings on the card from now on; return whether there were any."""
        held = any(slab.ratings is not None for slab in self.slabs)
        self.resident = False
        for slab in self.slabs:
            slab.ratings = None
        return held


def _padded(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the length that rows with these numbers of ratings are padded to."""
    lengths = [0, _STEP]
    while lengths[-1] < counts.max(initial=0):
        longer = int(lengths[-1] * (1 + _SHARE))
        lengths.append(max(lengths[-1] + _STEP, -(-longer // _STEP) * _STEP))
    steps = np.array(lengths, np.int64)
    return steps[np.searchsorted(steps, counts)]


def _slab_ranges(indptr: NDArray[np.int64], ratings: int) -> Iterator[tuple[int, int]]:
    """Yield ranges of rows that have at most this number of ratings, or are a single row."""
    start, rows = 0, len(indptr) - 1
    while start < rows:
        stop = int(np.searchsorted(indptr, indptr[start] + ratings, side="right")) - 1
        stop = min(rows, max(start + 1, stop))
        yield start, stop
        start = stop
