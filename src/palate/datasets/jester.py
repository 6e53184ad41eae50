"""Jester, Dataset 2: people move a slider from "not funny" to "funny" under jokes, November 2006 to May 2009."""

from __future__ import annotations

from pathlib import Path

from palate.catalogue import Catalogue
from palate.datasets.archive import Archive, find
from palate.datasets.download import Progress
from palate.errors import ReadError
from palate.ratings import Ratings, RatingScale

__all__ = ["ARCHIVE", "SCALE", "load"]

SCALE = RatingScale(-10, 10)

ARCHIVE = Archive(
    folder="jester",
    urls=(
        "https://eigentaste.berkeley.edu/dataset/archive/jester_dataset_2.zip",
        "https://eigentaste.berkeley.edu/dataset/jester_dataset_2.zip",
        "http://eigentaste.berkeley.edu/dataset/archive/jester_dataset_2.zip",
        "http://www.ieor.berkeley.edu/~goldberg/jester-data/jester_dataset_2.zip",
    ),
    # No checksum is published for the archive: the number of rows and the CRCs inside stand in for it.
    rows={"jester_ratings.dat": 1_761_439, "jester_items.dat": None},
)


def load(folder: Path | None, progress: Progress | None) -> tuple[Ratings, Catalogue | None]:
    """Read the full table from the cache, or what lies in a folder: the full table or its 5,000-user extract.

    Raises
    ------
    DownloadError
        If the archive cannot be fetched.
    ReadError
        If the folder lacks the ratings, or a file cannot be read.
    """
    from palate.reading import read_catalogue, read_ratings

    source = ARCHIVE.provide(progress) if folder is None else folder
    table = find(source, "jester_ratings.dat", "jester5k_ratings.dat")
    # The publishers do not say whether a person could rate a joke twice.
    ratings = read_ratings(table, scale=SCALE, duplicates="last")
    try:
        jokes = find(source, "jester_items.dat")
    except ReadError:  # ratings are useful without the texts
        return ratings, None
    return ratings, read_catalogue(jokes)
