"""``--engine`` and ``--master``: whether a command works on this machine or on Apache Spark."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from palate.cli.headings import SPARK, option
from palate.cli.output import json_text

__all__ = ["engine_options", "print_written", "runs_on_spark", "written_folder"]


def engine_options(where: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add ``--engine`` and ``--master``; `where` says what Spark is needed for, and what it can do."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        command = option(
            "--master", metavar="URL", help="spark: the master, such as local[2] or spark://host:7077.", heading=SPARK
        )(command)
        return option(
            "--engine",
            type=click.Choice(["local", "spark"]),
            default="local",
            show_default=True,
            help=f"Where it runs: on this machine, or on Apache Spark ({where}; needs the extra 'spark').",
            heading=SPARK,
        )(command)

    return decorate


def runs_on_spark(engine: str, master: str | None, only: dict[str, Any]) -> bool:
    """Return whether a command runs on Spark; refuse options that do not go with the engine.

    Parameters
    ----------
    engine, master
        The options.
    only
        Options that go with the local engine only, and what was given for them.

    Raises
    ------
    UsageError
        If options do not go together.
    """
    if engine == "local":
        if master is not None:
            raise click.UsageError("--master goes with --engine spark")
        return False
    for name, value in only.items():
        if value:
            raise click.UsageError(f"--{name} goes with --engine local only")
    return True


def written_folder(flag: str, output: Path | None) -> Path:
    """Return the folder that Spark is to write; refuse none, and the name of a file."""
    if output is None:
        raise click.UsageError(f"{flag} with --engine spark writes a folder of Parquet files: name it with -o FOLDER")
    if output.suffix == ".csv":
        raise click.BadParameter(f"Spark writes a folder of Parquet files, not {output}", param_hint="-o")
    return output


def print_written(rows: int, what: str, output: Path, *, quiet: bool, as_json: bool, **more: Any) -> None:
    """Say what was written."""
    if as_json:
        json_text({"output": str(output), "rows": rows, **more})
    elif not quiet:
        click.echo(f"{output}: {rows:,} {what}")
