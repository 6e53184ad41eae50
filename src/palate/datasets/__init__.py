"""Data sets to try palate with: published ones, an embedded sample, and tables of any size.

>>> ratings, catalogue = load("sample")
>>> ratings
Ratings(75,135 ratings, 2,000 users, 117 items)

Listing them costs nothing: readers and networks are imported when a data set is loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from palate.catalogue import Catalogue
from palate.datasets import jester, movielens, sample
from palate.datasets.archive import Archive
from palate.datasets.download import Progress
from palate.datasets.synthetic import Truth, make_ratings, write_ratings
from palate.errors import DataError
from palate.ratings import Ratings, RatingScale

__all__ = ["DATASETS", "Dataset", "Loaded", "Truth", "load", "make_ratings", "write_ratings"]


class Loaded(NamedTuple):
    """A data set in memory. The catalogue is None where a folder holds no texts."""

    ratings: Ratings
    catalogue: Catalogue | None


@dataclass(frozen=True)
class Dataset:
    """What is known about a data set before it is loaded, and how to load it.

    Parameters
    ----------
    name
        The name to load it by.
    title
        One line.
    ratings, users, items
        Counts; of the items only those that were rated. A folder may hold more or less.
    scale
        The rating scale that people were shown.
    terms
        What the owners of the data ask of its users.
    read
        Reads it from a folder, or from the cache, which it fills first.
    archive
        The published file; None if the data set is part of palate.
    generated
        Whether the ratings were simulated. If not, people gave them.
    """

    name: str
    title: str
    ratings: int
    users: int
    items: int
    scale: RatingScale
    terms: str
    read: Callable[[Path | None, Progress | None], tuple[Ratings, Catalogue | None]] = field(repr=False)
    archive: Archive | None = field(default=None, repr=False)
    generated: bool = False

    def load(self, folder: Path | str | None = None, progress: Progress | None = None) -> Loaded:
        """Return the ratings and the catalogue.

        Parameters
        ----------
        folder
            The folder with the unpacked published files; by default the cache, which is filled from the network.
        progress
            Called with the bytes fetched and the bytes expected (None if unknown).

        Raises
        ------
        DownloadError
            If the data set is not in the cache and cannot be fetched.
        ReadError
            If the folder lacks the files, or one of them cannot be read.
        DataError
            If a folder is given for a data set that is part of palate.
        """
        return Loaded(*self.read(Path(folder) if folder is not None else None, progress))

    def path(self) -> Path:
        """Return the folder of its files, which need not exist before the data set is loaded."""
        return self.archive.path() if self.archive else Path(__file__).parent

    def is_cached(self) -> bool:
        """Tell whether the data set can be loaded without a network."""
        return self.archive is None or self.archive.is_cached()


_GROUPLENS = "research use with citation (Harper and Konstan 2015); no redistribution; see its README for the rest"

DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        Dataset(
            name="sample",
            title="120 jokes in 8 kinds, written for palate, with generated ratings by simulated raters",
            ratings=75_135,
            users=2_000,
            items=117,
            scale=sample.SCALE,
            terms="part of palate, under its licence; the ratings are generated: nobody gave them",
            read=sample.load,
            generated=True,
        ),
        Dataset(
            name="jester",
            title="Jester Dataset 2: a slider under 150 jokes, 2006 to 2009",
            ratings=1_761_439,
            users=59_132,
            items=140,
            scale=jester.SCALE,
            terms="free for research with citation (Goldberg, Roeder, Gupta, Perkins: Eigentaste, 2001)",
            read=jester.load,
            archive=jester.ARCHIVE,
        ),
        Dataset(
            name="ml-100k",
            title="MovieLens 100K: stars for films, 1997 to 1998",
            ratings=100_000,
            users=943,
            items=1_682,
            scale=RatingScale(1, 5),
            terms=_GROUPLENS,
            read=movielens.load_100k,
            archive=movielens.ML_100K,
        ),
        Dataset(
            name="ml-latest-small",
            title="MovieLens latest-small: half stars for films, to 2018; GroupLens may renew it",
            ratings=100_836,
            users=610,
            items=9_724,
            scale=RatingScale(0.5, 5),
            terms=_GROUPLENS,
            read=movielens.load_latest_small,
            archive=movielens.LATEST_SMALL,
        ),
    )
}


def load(name: str, folder: Path | str | None = None, progress: Progress | None = None) -> Loaded:
    """Load a data set by its name: see `Dataset.load`.

    Raises
    ------
    DataError
        If there is no data set of that name.
    """
    if name not in DATASETS:
        raise DataError(f"there is no data set {name!r}: there are {', '.join(DATASETS)}")
    return DATASETS[name].load(folder, progress)
