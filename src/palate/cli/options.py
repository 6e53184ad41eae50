"""Options and arguments that several commands share, and what they mean."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from palate.errors import ReadError, StorageError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from palate.catalogue import Catalogue
    from palate.ratings import Ratings
    from palate.reading import Table
    from palate.solvers import Setting, Solver

__all__ = [
    "SolverCommand",
    "check_output",
    "complete_source",
    "is_dataset",
    "json_option",
    "load_catalogue",
    "load_ratings",
    "load_table",
    "make_solver",
    "quiet_option",
    "reading_options",
    "solver_option",
    "threads_option",
]

Function = TypeVar("Function", bound=Callable[..., Any])

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines instead of tables.")
threads_option = click.option(
    "--threads", type=click.IntRange(min=1), help="How many. Does not change the result. [all cores]"
)
quiet_option = click.option("--quiet", "-q", is_flag=True, help="Show no progress.")

_READING = [
    click.option(
        "--columns", metavar="USER,ITEM,RATING", help="Names or positions (from 0) of the columns; of two for choices."
    ),
    click.option("--time", metavar="COLUMN", help="Name or position of the column of times. [default: guessed]"),
    click.option("--no-time", "time", flag_value="", help="Read no times."),
    click.option("--separator", metavar="TEXT", help="Between columns, e.g. ',' or '::'. [default: guessed]"),
    click.option("--header/--no-header", default=None, help="Whether the first line names columns. [default: guessed]"),
    click.option(
        "--layout", type=click.Choice(["auto", "long", "wide"]), default="auto", help="One rating a row, or one user."
    ),
    click.option(
        "--missing", type=float, help="A value for 'not rated'. [default: 99 in Jester's tables, and blank cells]"
    ),
    click.option("--query", metavar="SQL", help="What to select, where RATINGS is a database URL."),
    click.option(
        "--on-error",
        type=click.Choice(["error", "skip"]),
        default="error",
        help="What to do with rows that hold no rating.",
    ),
    click.option(
        "--duplicates",
        type=click.Choice(["error", "last", "mean", "sum", "count"]),
        default="error",
        help="Which of several ratings of a pair counts; the last is the latest in time.",
    ),
    click.option("--scale", type=float, nargs=2, metavar="LOW HIGH", help="The rating scale. [default: guessed]"),
    click.option("--folder", type=click.Path(path_type=Path), help="Where the files of a named data set lie already."),
]


_DEFAULTS = {"layout": "auto", "on_error": "error", "duplicates": "error"} | dict.fromkeys(
    ("columns", "time", "separator", "header", "missing", "query", "scale")
)


def reading_options(function: Function) -> Function:
    """Add the options that say how RATINGS is to be read; they arrive as keywords that `load_ratings` takes."""
    for option in reversed(_READING):
        function = option(function)
    return function


def load_table(source: str, **reading: Any) -> Table:
    """Read RATINGS without looking at its values."""
    from palate.reading import read_table

    how = {name: reading[name] for name in ("separator", "header", "layout", "missing", "query")}
    return read_table(source, **_columns(reading["columns"], reading["time"]), **how)


def load_ratings(source: str, **reading: Any) -> tuple[Ratings, Catalogue | None]:
    """Read RATINGS, whatever it is; a named data set brings its catalogue."""
    from palate.reading import read_ratings

    if is_dataset(source):
        from palate.datasets import DATASETS

        dataset = DATASETS[source]
        for name, value in reading.items():
            if name != "folder" and value != _DEFAULTS[name]:
                raise click.UsageError(f"--{name.replace('_', '-')} does not go with the data set {source!r}")
        if reading["folder"] is None and not dataset.is_cached():
            click.echo(f"fetching {source} ({dataset.title}). Terms: {dataset.terms}", err=True)
        return dataset.load(reading["folder"])
    how = {name: value for name, value in reading.items() if name not in ("columns", "time", "folder")}
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # the check says it
        return read_ratings(source, **_columns(reading["columns"], reading["time"]), **how), None


def is_dataset(source: str) -> bool:
    """Whether RATINGS names a data set rather than a file of that name."""
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


def _columns(text: str | None, time: str | None) -> dict[str, Any]:
    columns: dict[str, Any] = {} if time is None else {"time": False if time == "" else time}
    if text is None:
        return columns
    names = [name.strip() for name in text.split(",")]
    if len(names) not in (2, 3):
        raise click.BadParameter(f"user,item,rating or user,item are needed, not {text!r}", param_hint="--columns")
    return columns | dict(zip(("user", "item", "rating"), [*names, False][:3], strict=True))


def load_catalogue(items: str | None, given: Catalogue | None, on_error: str = "error") -> Catalogue:
    """Read ITEMS if it was named, else take what the data set brought."""
    from palate.catalogue import Catalogue
    from palate.reading import read_catalogue

    if items is not None:
        return read_catalogue(items, on_error=on_error)
    return given or Catalogue()


def check_output(output: Path, *inputs: str | None) -> None:
    """Refuse an output that cannot be written, or that would replace one of the inputs."""
    try:
        if not output.name or not output.parent.is_dir():
            raise StorageError(f"folder {output.parent} does not exist: {output} cannot be written")
        if any(
            name is not None and Path(name).exists() and output.exists() and output.samefile(name) for name in inputs
        ):
            raise StorageError(f"{output} is read by this very command: name another file with -o")
    except OSError as error:
        raise StorageError(f"{output} cannot be written: {error.strerror or error}") from error


class SolverCommand(click.Command):
    """A command with an option for each setting of the solvers, made from their fields when it is used."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the command's own parameters and those of the solvers."""
        own = super().get_params(ctx)
        return own[:-1] + [_solver_parameter(entry) for entry in _all_settings().values()] + own[-1:]


solver_option = click.option(
    "--solver",
    type=click.Choice(["bayes", "sgd", "als", "implicit", "article"]),
    default="bayes",
    show_default=True,
    help="How to fit: most accurately, quickly, by least squares, from choices alone, or as in the 2018 article.",
)


# The article's settings are those of sgd.
_SOLVERS = ("sgd", "bayes", "als", "implicit")


def _all_settings() -> dict[str, dict[str, Setting]]:
    """Return each setting by name, as it is in each solver that has it."""
    from palate.solvers import SOLVERS, settings

    found: dict[str, dict[str, Setting]] = {}
    for name in _SOLVERS:
        for setting in settings(SOLVERS[name]):
            found.setdefault(setting.name, {})[name] = setting
    return found


def _solver_parameter(solvers: dict[str, Setting]) -> click.Option:
    # The default stays None, so that a named solver keeps its own settings where none is given.
    setting = next(iter(solvers.values()))
    name = setting.name.replace("_", "-")
    flag = f"--{name}/--no-{name}" if setting.type is bool else f"--{name}"
    kind = click.Choice(setting.choices) if setting.choices else setting.type
    return click.Option([flag, setting.name], type=kind, default=None, help=_explain(solvers))


def _explain(solvers: dict[str, Setting]) -> str:
    """Say what a setting means and what its default is, for each solver where they differ."""
    meanings = _by_solver({name: setting.help for name, setting in solvers.items()})
    shown = {
        name: setting.none if setting.default is None else f"{setting.default}" for name, setting in solvers.items()
    }
    said = [f"{', '.join(names)}: {text}" if len(names) < len(_SOLVERS) else text for text, names in meanings.items()]
    defaults = _by_solver(shown)
    if len(defaults) == 1:
        return f"{'; '.join(said)}. [{next(iter(defaults))}]"
    each = [f"{', '.join(names)}: {text}" for text, names in defaults.items()]
    return f"{'; '.join(said)}. [{'; '.join(each)}]"


def _by_solver(texts: dict[str, str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, text in texts.items():
        found.setdefault(text, []).append(name)
    return found


def make_solver(name: str, given: dict[str, Any]) -> Solver:
    """Return the named solver with the settings that were given."""
    from palate.solvers import SOLVERS, settings

    known = {setting.name for setting in settings(SOLVERS[name])}
    chosen = {key: value for key, value in given.items() if value is not None}
    for key in chosen:
        if key not in known:
            raise click.UsageError(f"--{key.replace('_', '-')} is no setting of the solver {name!r}")
    return dataclasses.replace(SOLVERS[name], **chosen)
