"""``--split`` and its details: how RATINGS is cut into a part to train on and a part to judge on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from palate.cli.headings import SPLIT, option
from palate.cli.options import share

if TYPE_CHECKING:
    from palate.ratings import Ratings
    from palate.splits import Split, SplitKind, UserSplit

__all__ = ["SplitOptions", "split_options"]

# Which details go with which kind of split.
_DETAILS = {
    "random": {"share", "folds", "repeats"},
    "time": {"share", "date"},
    "last": {"share", "last"},
    "users": {"share", "given", "repeats"},
    "items": {"share", "repeats"},
}


@dataclass(frozen=True)
class SplitOptions:
    """How RATINGS is cut: each field is an option of the command line, None if it was not given."""

    split: SplitKind | None = None
    folds: int | None = None
    repeats: int | None = None
    share: float | None = None
    date: str | None = None
    last: float | None = None
    given: float | None = None

    @property
    def kind(self) -> SplitKind:
        """How RATINGS is cut."""
        return self.split or "random"

    def check(self, files: tuple[tuple[str, str], ...]) -> None:
        """Refuse options that do not go together."""
        used = [one.name for one in fields(self) if getattr(self, one.name) is not None]
        if files and used:
            raise click.UsageError(f"--{used[0]} does not go with --fold: the splits are given")
        for name in used:
            if name != "split" and name not in _DETAILS[self.kind]:
                raise click.UsageError(f"--{name} does not go with --split {self.kind}")
        for one, other in (("share", "folds"), ("repeats", "folds"), ("share", "date"), ("share", "last")):
            if one in used and other in used:
                raise click.UsageError(f"--{one} does not go with --{other}: choose one way to split")

    def of(
        self, ratings: Ratings, seed: int, *, folds: int | None = None
    ) -> tuple[Iterable[Split | UserSplit], int, str]:
        """Return the splits, how many there are, and what they are.

        Parameters
        ----------
        ratings
            The table.
        seed
            Of random splits.
        folds
            The number of folds of random splits if the command line says nothing else; None for one holdout.
        """
        from palate import splits

        part, times, kind = self.share or 0.2, self.repeats or 1, self.kind
        seeds = f"seed {seed}" if times == 1 else f"seeds {seed} to {seed + times - 1}"
        if kind == "time":
            one: Split | UserSplit = splits.split_by_time(ratings, part, since=self.date)
            return [one], 1, f"the ratings since {self.date}" if self.date else f"the latest {part:.3g} of the ratings"
        if kind == "last":
            count = self.last or part
            many = f"{count:g} ratings" if count >= 1 else f"{count:.3g} of the ratings"
            return [splits.last_of_each_user(ratings, count)], 1, f"the last {many} of each user"
        if kind == "users":
            known = self.given or 0.5
            new = splits.repeated(splits.new_users, ratings, times, seed=seed, share=part, given=known)
            return new, times, f"{part:.3g} of the users as new ones, {known:g} of their ratings given ({seeds})"
        if kind == "items":
            parts = splits.repeated(splits.new_items, ratings, times, seed=seed, share=part)
            return parts, times, f"{part:.3g} of the items as new ones ({seeds})"
        return self._random(ratings, seed, folds, seeds)

    def _random(
        self, ratings: Ratings, seed: int, folds: int | None, seeds: str
    ) -> tuple[Iterable[Split | UserSplit], int, str]:
        from palate.splits import holdout, k_fold, repeated

        count = self.folds or (None if self.share or self.repeats else folds)
        if count is not None:
            return k_fold(ratings, count, seed=seed), count, f"{count} random folds (seed {seed})"
        part, times = self.share or 0.1, self.repeats or 1
        parts = repeated(holdout, ratings, times, seed=seed, share=part)
        many = "one random holdout" if times == 1 else f"{times} random holdouts"
        return parts, times, f"{many} of {part:.3g} of the ratings ({seeds})"


_OPTIONS = (
    option(
        "--split",
        type=click.Choice(list(_DETAILS)),
        help="Judge on random ratings, on the latest ones (time), on the last ones of each user, or on all ratings of "
        "new users or new items. [random]",
        heading=SPLIT,
    ),
    option("--folds", type=int, help="Cut RATINGS into this many random folds.", heading=SPLIT),
    option(
        "--repeats",
        type=click.IntRange(min=1),
        help="How many random splits, each with the next seed. [1]",
        heading=SPLIT,
    ),
    option(
        "--share",
        "--holdout",
        type=share,
        metavar="SHARE",
        help="Judge on this share of the ratings, users or items.",
        heading=SPLIT,
    ),
    option(
        "--date",
        metavar="DATE",
        help="With --split time: judge on ratings since then, such as 2001-03-31.",
        heading=SPLIT,
    ),
    option(
        "--last",
        type=click.FloatRange(0, min_open=True),
        help="With --split last: how many of each user.",
        heading=SPLIT,
    ),
    option(
        "--given",
        type=click.FloatRange(0, min_open=True),
        help="With --split users: how many ratings of each new user are known, or the share of them. [0.5]",
        heading=SPLIT,
    ),
)


def split_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how RATINGS is cut; the command gets them as `splitting`, a `SplitOptions`."""

    @wraps(function)
    def command(**options: Any) -> Any:
        splitting = {one.name: options.pop(one.name) for one in fields(SplitOptions)}
        return function(splitting=SplitOptions(**splitting), **options)

    for add_option in reversed(_OPTIONS):
        command = add_option(command)
    return command
