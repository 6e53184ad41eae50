"""What is measured on: a case of a job, and the tables that every contender gets."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Case", "Skip", "Table", "Task", "Turn", "prepare", "timed"]

#: Does a number of passes; returns the seconds of what is compared and, if there is one, a function for the score reached.
Turn = Callable[[int], tuple[float, Callable[[], float] | None]]

DATA = Path(os.environ.get("PALATE_DATA", Path(__file__).parents[2] / "shared" / "data"))
# The size of MovieLens 10M. Smaller tables have as many ratings a user and so are about as dense as MovieLens.
USERS, ITEMS, RATINGS = 71_567, 10_681, 10_000_000
WARM = 100_000


class Skip(Exception):
    """Why a contender or a case is not run."""


def timed(*calls: Callable[[], object]) -> Turn:
    """Return a turn that times calls; the median of several counts."""

    def turn(_: int) -> tuple[float, None]:
        seconds = []
        for call in calls:
            started = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - started)
        return median(seconds), None

    return turn


class Table(NamedTuple):
    """Ratings: int32 rows of users and items and float32 values, with the numbers of users and items."""

    user: Any
    item: Any
    rating: Any
    users: int
    items: int

    def csr(self) -> Any:
        """Return the table as a matrix, float32, users by items."""
        from scipy.sparse import csr_matrix

        return csr_matrix((self.rating, (self.user, self.item)), shape=(self.users, self.items), dtype=np.float32)


@dataclass(frozen=True)
class Case:
    """One row of a job's table, with the least and the hoped for ratio of the best peer's time to palate's.

    `whole` makes all passes of a fit count, not one of them.
    """

    job: str
    factors: int = 0
    ratings: int = RATINGS
    data: str = "synthetic"
    items: int = ITEMS
    whole: bool = False
    must: float | None = None
    aim: float | None = None

    @property
    def users(self) -> int:
        """How many users a synthetic table has, about, or a model."""
        return max(100, round(USERS * min(1.0, self.ratings / RATINGS)))

    @property
    def name(self) -> str:
        """What tells it from others, such as "als, k = 16, 10M"."""
        sizes = {"synthetic": f"{self.ratings / 1e6:g}M", "model": f"{self.items:,} items, {self.users:,} users"}
        size = sizes.get(self.data, self.data)
        return ", ".join([self.job, *([f"k = {self.factors}"] if self.factors else []), size])


@dataclass(frozen=True)
class Task:
    """What a contender is given: a case, threads, and a folder of tables."""

    case: Case
    threads: int
    folder: str

    @property
    def factors(self) -> int:  # noqa: D102
        return self.case.factors

    @cached_property
    def train(self) -> Table:
        """The table to fit on."""
        return self._table("train")

    @cached_property
    def test(self) -> Table:
        """Pairs held out; their users and items are all in the training table."""
        return self._table("test")

    def time(self, seconds: list[float]) -> float:
        """Return what counts of passes that took these seconds: a pass, or all of them where a case is about a whole fit."""
        return sum(seconds) if self.case.whole else median(seconds)

    @property
    def text(self) -> Path:
        """The training table as text: user, item and rating with two tabs between, counted from 1, no header."""
        return Path(self.folder, "train.dat")

    @cached_property
    def spread(self) -> float:
        """The standard deviation of the ratings, by which a penalty on standardized ratings is translated."""
        return float(self.train.rating.std(dtype=np.float64))

    def rmse(self, predicted: Any, *, clip: bool = True) -> float:
        """Return the error on the test part; clipped to the range of the training ratings for everybody."""
        low, high = self.train.rating.min(), self.train.rating.max()
        predicted = np.clip(predicted, low, high) if clip else predicted
        return float(np.sqrt(np.mean((self.test.rating - predicted.astype(np.float64)) ** 2)))

    def products(self, users: Any, items: Any) -> Any:
        """Return the scalar products of factors for the test pairs."""
        return np.einsum("nk,nk->n", users[self.test.user], items[self.test.item])

    def warm(self) -> Task:
        """The same on a small table, to compile everything and start all threads before the clock."""
        if self.case.data == "model":
            return Task(replace(self.case, ratings=WARM), self.threads, self.folder)
        if self.case.data != "synthetic" or self.case.job == "reading":  # small texts are read in another way
            return self
        small = replace(self.case, ratings=min(WARM, self.case.ratings))
        return Task(small, self.threads, str(prepare(small, Path(self.folder).parent)))

    def _table(self, part: str) -> Table:
        columns = (np.load(Path(self.folder, f"{part}.{column}.npy")) for column in ("user", "item", "rating"))
        return Table(*columns, *np.load(Path(self.folder, "shape.npy")).tolist())


def prepare(case: Case, folder: Path) -> Path:
    """Write the tables of a case, if they are not there yet; return their folder.

    Raises
    ------
    Skip
        If the ratings are not on this machine.
    """
    from palate import Ratings, read_ratings
    from palate.datasets import make_ratings, write_ratings

    size = f"-{case.ratings}" if case.data == "synthetic" else ""
    path = folder / f"{case.data}{size}"
    if case.data == "model":
        path.mkdir(parents=True, exist_ok=True)
    if case.data == "model" or (path / "shape.npy").exists():
        return path
    path.mkdir(parents=True, exist_ok=True)
    if case.data == "synthetic":
        share, held = min(1.0, case.ratings / RATINGS), max(2_000, case.ratings // 100)
        shape = case.users, max(100, round(ITEMS * share**0.5))
        everything = make_ratings(*shape, case.ratings + held, seed=0).compact()
        chosen = np.zeros(len(everything), bool)
        chosen[np.random.default_rng(0).choice(len(everything), held, replace=False)] = True
        train, test = (everything.take(np.flatnonzero(part)) for part in (~chosen, chosen))
    else:
        files = {"movielens": ("ml-100k/u1.base", "ml-100k/u1.test"), "jester": ("jester1/jester-data-1.csv",) * 2}
        sources = [DATA / file for file in files[case.data]]
        if not sources[0].exists():
            raise Skip(
                f"{sources[0].name} is not on this machine: set PALATE_DATA to a folder with {files[case.data][0]}"
            )
        train, test = map(read_ratings, sources)
    train = train.compact()
    user, item = train.users.index(test.users.ids)[test.user], train.items.index(test.items.ids)[test.item]
    known = (user >= 0) & (item >= 0) if case.data == "synthetic" else np.ones(len(user), bool)
    for part, columns in (
        ("train", (train.user, train.item, train.rating)),
        ("test", (user[known], item[known], test.rating[known])),
    ):
        for name, column in zip(("user", "item", "rating"), columns, strict=True):
            np.save(path / f"{part}.{name}.npy", column)
    # Ids are row numbers from 1 in the text as well.
    write_ratings(numbered(train, Ratings), path / "train.dat")
    np.save(path / "shape.npy", [len(train.users), len(train.items)])
    return path


def numbered(table: Any, kind: Any) -> Any:
    """Return the ratings with ids counted from 1 in the order of rows."""
    from palate import Vocabulary

    ids = (
        Vocabulary(np.arange(1, len(side) + 1), name) for side, name in ((table.users, "user"), (table.items, "item"))
    )
    return kind(*ids, table.user, table.item, table.rating, table.scale)
