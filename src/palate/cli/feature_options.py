"""What is known of items and users besides their ratings: the tables of attributes that a fit learns from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from palate.cli.headings import ATTRIBUTES, option
from palate.errors import ReadError

if TYPE_CHECKING:
    from palate.attributes import Attributes
    from palate.catalogue import Catalogue
    from palate.ratings import Ratings
    from palate.reading.attributes import Side
    from palate.solvers.solver import Solver
    from palate.splits import Split, UserSplit

__all__ = ["FeatureOptions", "feature_options"]

# What the catalogues of MovieLens are called; they have genres beside titles.
_CATALOGUES = ("u.item", "movies.dat", "movies.csv")


@dataclass(frozen=True)
class FeatureOptions:
    """The options of the command line; None where one was not given."""

    item_features: str | None = None
    item_column: str | None = None
    user_features: str | None = None
    user_column: str | None = None
    features: str | None = None

    def read(self, catalogue: Catalogue | None, place: str | Path | None = None) -> dict[str, Attributes]:
        """Return the tables by the name of the parameter of `palate.solvers.Solver.fit`.

        Parameters
        ----------
        catalogue
            What ``--features catalogue`` means.
        place
            The file of the catalogue or its folder, if there is one: it may say more than titles.
        """
        from palate.reading import read_attributes

        tables = {}
        for side, source, column in (
            ("item", self.item_features, self.item_column),
            ("user", self.user_features, self.user_column),
        ):
            if source == "catalogue" and side == "item" and not Path(source).exists():
                continue
            if source is not None:
                tables[f"{side}_features"] = read_attributes(source, side, id=column)  # type: ignore[arg-type]
            elif column is not None:
                raise click.UsageError(f"--{side}-column goes with --{side}-features")
        if self.features is not None or (self.item_features == "catalogue" and "item_features" not in tables):
            if "item_features" in tables:
                raise click.UsageError("give either --features catalogue or --item-features TABLE")
            tables["item_features"] = _of_catalogue(catalogue, place)
        return tables

    def require_learner(self, solver: Solver) -> None:
        """Refuse attributes that a solver does not learn from.

        Raises
        ------
        SettingsError
            If there are any.
        """
        of_items = (self.item_features, self.item_column, self.features)
        of_users = (self.user_features, self.user_column)
        sides: dict[Side, bool] = {"item": any(of_items), "user": any(of_users)}
        solver.require_features(side for side, is_given in sides.items() if is_given)

    def add(self, ratings: Ratings, catalogue: Catalogue | None = None, place: str | Path | None = None) -> Ratings:
        """Return the ratings with the tables of attributes."""
        tables: dict[str, Any] = dict(self.read(catalogue, place))
        return replace(ratings, **tables) if tables else ratings

    def add_to(self, splits: Iterable[Split | UserSplit]) -> Iterator[Any]:
        """Add the tables of attributes to the training part of each split."""
        tables: dict[str, Any] = dict(self.read(None))
        for split in splits:
            yield split._replace(train=replace(split.train, **tables)) if tables else split


def _of_catalogue(catalogue: Catalogue | None, place: str | Path | None) -> Attributes:
    """Read the catalogue as a table of attributes, or take its titles and texts."""
    from palate.reading import read_attributes

    if catalogue is None or not len(catalogue):
        raise click.UsageError("there is no catalogue to take attributes from: name it with --items")
    path = Path(place) if place is not None else None
    if path is not None and path.is_dir():
        path = next((found for name in _CATALOGUES for found in sorted(path.rglob(name))), None)
    if path is not None and path.is_file():
        try:
            table = read_attributes(path)
            if len(table) == len(catalogue):  # else it holds numbered texts, and no table
                return table
        except ReadError:
            pass
    return read_attributes(catalogue)


_HELP = {
    "item_features": "What items are: a table with a row an item, such as movies.dat; or 'catalogue'.",
    "item_column": "The column of item ids in --item-features. [the first one]",
    "user_features": "What users are: a table with a row a user, such as u.user.",
    "user_column": "The column of user ids in --user-features. [the first one]",
    "features": "Take the catalogue's own columns, such as genres and texts, for --item-features.",
}


def feature_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of attributes; the command gets them as `features`, a `FeatureOptions`."""

    @wraps(function)
    def command(**options: Any) -> Any:
        chosen = {one.name: options.pop(one.name) for one in fields(FeatureOptions)}
        return function(features=FeatureOptions(**chosen), **options)

    for one in reversed(fields(FeatureOptions)):
        kind: dict[str, Any] = {"metavar": "COLUMN" if one.name.endswith("column") else "TABLE"}
        if one.name == "features":
            kind = {"type": click.Choice(["catalogue"])}
        flag = f"--{one.name.replace('_', '-')}"
        command = option(flag, one.name, default=None, help=_HELP[one.name], heading=ATTRIBUTES, **kind)(command)
    return command
