"""RATINGS and ITEMS: where a command reads its table and its catalogue, and how."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from palate.cli.headings import READING, SPLIT, option
from palate.errors import ReadError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from palate.catalogue import Catalogue
    from palate.ratings import Ratings
    from palate.reading import Table
    from palate.splits import Split

__all__ = [
    "ReadingOptions",
    "complete_source",
    "fold_option",
    "is_dataset",
    "load_catalogue",
    "reading_options",
    "require_one_source",
]


def _option(help: str, flag: str | None = None, **attributes: Any) -> Any:
    """Declare a field of `ReadingOptions`: what `click.option` takes. Its flag is the field's name if none is given."""
    return field(default=None, metadata={"flag": flag, "help": help, **attributes})


@dataclass(frozen=True)
class ReadingOptions:
    """How RATINGS is to be read: each field is an option of the command line, and None if it was not given.

    A field is handed on to the functions of `palate.reading` that have a parameter of its name, which has the default.
    """

    columns: str | None = _option(
        "Names or positions (from 0) of the columns; USER,ITEM for a table of choices.", metavar="USER,ITEM,RATING"
    )
    time: str | None = _option("Name or position of the column of times. [guessed]", metavar="COLUMN")
    no_time: bool | None = _option("Read no times.", "--no-time", is_flag=True)
    separator: str | None = _option("Between columns, e.g. ',' or '::'. [guessed]", metavar="TEXT")
    header: bool | None = _option("Whether the first line names columns. [guessed]", "--header/--no-header")
    layout: str | None = _option(
        "Whether a row is one rating (long) or one user (wide). [auto]", type=click.Choice(["auto", "long", "wide"])
    )
    missing: float | None = _option(
        "A value that means 'not rated'. [99 in Jester's tables, and blank cells]", type=float
    )
    query: str | None = _option("What to select, where RATINGS is a database URL.", metavar="SQL")
    on_error: str | None = _option(
        "What to do with rows that hold no rating. [error]", type=click.Choice(["error", "skip"])
    )
    duplicates: str | None = _option(
        "Which of several ratings of a pair counts; the last is the latest in time. [error]",
        type=click.Choice(["error", "last", "mean", "sum", "count"]),
    )
    scale: tuple[float, float] | None = _option("The rating scale. [guessed]", type=float, nargs=2, metavar="LOW HIGH")
    folder: str | None = _option("Where the files of a named data set lie already.", type=click.Path())

    def table(self, source: str) -> Table:
        """Read RATINGS without looking at its values."""
        from palate.reading import read_table

        return read_table(source, **self._arguments(read_table))

    def load(self, source: str) -> tuple[Ratings, Catalogue | None]:
        """Read RATINGS, whatever it is; a named data set brings its catalogue."""
        if is_dataset(source):
            return self._load_dataset(source)
        from palate.reading import read_ratings

        return read_ratings(source, **self._arguments(read_ratings)), None

    def load_all(self, sources: Sequence[str]) -> tuple[Ratings, Catalogue | None]:
        """Read one RATINGS, or several files of ratings as one table."""
        if len(sources) == 1:
            return self.load(sources[0])
        from palate.reading import read_ratings

        return read_ratings(list(sources), **self._arguments(read_ratings)), None

    def ratings(self, source: str) -> Ratings:
        """Read the ratings alone."""
        return self.load(source)[0]

    def folds(self, files: tuple[tuple[str, str], ...]) -> Iterator[Split]:
        """Read the training and the test part of each fold, one fold after the other."""
        from palate.splits import Split

        for train, test in files:
            yield Split(self.ratings(train), self.ratings(test))

    def dataset_folder(self, source: str) -> Path | None:
        """Return where the files of a named data set lie; None if RATINGS names none."""
        if not is_dataset(source):
            return None
        from palate.datasets import DATASETS

        return Path(self.folder) if self.folder is not None else DATASETS[source].path()

    def _load_dataset(self, name: str) -> tuple[Ratings, Catalogue | None]:
        from palate.datasets import DATASETS

        dataset = DATASETS[name]
        for field_name, value in vars(self).items():
            if value is not None and field_name != "folder":
                raise click.UsageError(f"--{field_name.replace('_', '-')} does not go with the data set {name!r}")
        folder = None if self.folder is None else Path(self.folder)
        if folder is None and not dataset.is_cached():
            click.echo(f"fetching {name} ({dataset.title}). Terms: {dataset.terms}", err=True)
        return dataset.load(folder)

    def spark_arguments(self) -> dict[str, Any]:
        """Return the options that a fit on Spark takes.

        Raises
        ------
        UsageError
            If an option was given that it does not.
        """
        for one in ("layout", "missing", "query", "folder"):
            if getattr(self, one) is not None:
                raise click.UsageError(f"--{one} does not go with --engine spark: write the table as Parquet first")
        from palate.reading import read_ratings

        return self._arguments(read_ratings)

    def _arguments(self, function: Callable[..., Any]) -> dict[str, Any]:
        """Return the options that were given and that a function takes."""
        arguments = {name: value for name, value in vars(self).items() if value is not None}
        if arguments.pop("no_time", None):
            arguments["time"] = False
        elif self.time is not None:
            arguments["time"] = _column(self.time)
        if self.columns is not None:
            arguments |= _column_arguments(self.columns)
        return {name: value for name, value in arguments.items() if name in inspect.signature(function).parameters}


def _column_arguments(text: str) -> dict[str, str | int | bool]:
    names = [name.strip() for name in text.split(",")]
    if len(names) not in (2, 3):
        raise click.BadParameter(f"user,item,rating or user,item are needed, not {text!r}", param_hint="--columns")
    return dict(zip(("user", "item", "rating"), [*map(_column, names), False][:3], strict=True))


def _column(name: str) -> str | int:
    return int(name) if name.isdecimal() else name


def reading_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how RATINGS is to be read; the command gets them as `reading`, a `ReadingOptions`."""

    @wraps(function)
    def command(**options: Any) -> Any:
        reading = {one.name: options.pop(one.name) for one in fields(ReadingOptions)}
        return function(reading=ReadingOptions(**reading), **options)

    for one in reversed(fields(ReadingOptions)):
        attributes = dict(one.metadata)
        flag = attributes.pop("flag") or f"--{one.name.replace('_', '-')}"
        command = option(flag, one.name, default=None, heading=READING, **attributes)(command)
    return command


fold_option = option(
    "--fold",
    "files",
    nargs=2,
    multiple=True,
    metavar="TRAIN TEST",
    help="A split given as two files; repeat it.",
    heading=SPLIT,
)


def require_one_source(source: str | None, files: tuple[tuple[str, str], ...]) -> None:
    """Refuse a command that names both RATINGS and folds, or neither."""
    if (source is None) == (not files):
        raise click.UsageError("give either RATINGS or --fold TRAIN TEST")


def is_dataset(source: str) -> bool:
    """Return whether RATINGS names a data set rather than a file of that name."""
    try:
        if Path(source).exists():
            return False
    except (OSError, ValueError) as error:  # a name that no file can have, or a folder that may not be looked into
        raise ReadError(f"{source[:60]} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    from palate.datasets import DATASETS

    if source not in DATASETS and source.replace("-", "").isalnum():
        raise ReadError(f"{source} is neither a file nor a data set ({', '.join(DATASETS)})")
    return source in DATASETS


def complete_source(ctx: click.Context, parameter: click.Parameter, start: str) -> list[CompletionItem]:
    """Complete RATINGS with the names of data sets, and with files."""
    from click.shell_completion import CompletionItem

    from palate.datasets import DATASETS

    return [CompletionItem(name) for name in DATASETS if name.startswith(start)] + [CompletionItem(start, type="file")]


def load_catalogue(items: str | None, brought: Catalogue | None, on_error: str | None = None) -> Catalogue:
    """Read ITEMS if it was named, else take the catalogue that the data set brought."""
    from palate.catalogue import Catalogue
    from palate.reading import read_catalogue

    if items is not None:
        return read_catalogue(items, on_error=on_error or "error")
    return brought or Catalogue()
