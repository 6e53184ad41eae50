"""Recommendations for many users at once, written to a file: ``palate recommend --all`` and ``--users``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from palate.cli.output import json_text
from palate.cli.progress import counter
from palate.cli.spark_options import print_written, written_folder
from palate.errors import ReadError

if TYPE_CHECKING:
    from palate.model import Model

__all__ = ["check_all_options", "check_one_user", "recommend_all", "recommend_all_on_spark"]


def check_one_user(users: Path | None, one_user: dict[str, Any]) -> str:
    """Refuse the options of one user that were given; return the flag that they do not go with."""
    flag = "--all" if users is None else "--users"
    for name, value in one_user.items():
        if value:
            raise click.UsageError(f"--{name} is for one user and does not go with {flag}")
    return flag


def check_all_options(model: str, users: Path | None, output: Path | None, one_user: dict[str, Any]) -> Path:
    """Return the file to be written, and refuse the options of one user that were given."""
    from palate.workflow import check_output

    flag = check_one_user(users, one_user)
    if output is None:
        raise click.UsageError(f"{flag} writes to a file: name it with -o FILE.parquet or FILE.csv")
    if output.suffix not in (".parquet", ".pq", ".csv"):
        raise click.BadParameter(f"{output} must end in .parquet or .csv, which are written", param_hint="-o")
    check_output(output, model, None if users is None else str(users))
    return output


def recommend_all(
    model: Model, output: Path, count: int, users: Path | None, *, quiet: bool, as_json: bool, **options: Any
) -> None:
    """Write the recommendations of all users, or of those in a file, and print how many there are."""
    ids = None if users is None else _read_users(users)
    with counter("users", quiet or as_json) as progress:
        rows = model.recommend_all(output, count, users=ids, progress=progress, **options)
    number = len(model.users) if ids is None else len(ids)
    if as_json:
        json_text({"output": str(output), "users": number, "recommendations": rows})
    elif not quiet:
        click.echo(f"{output}: {rows:,} recommendations for {number:,} users")


def recommend_all_on_spark(
    model: str, output: Path | None, count: int, users: Path | None, *, quiet: bool, as_json: bool, **options: Any
) -> None:
    """Write the recommendations of all users, or of those in a file, by Spark."""
    from palate.spark import recommend_all

    folder = written_folder("--all" if users is None else "--users", output)
    rows = recommend_all(model, folder, count, users=None if users is None else _read_users(users), **options)
    number = rows.select("user").distinct().count()
    if as_json:
        json_text({"output": str(folder), "users": number, "recommendations": rows.count()})
    else:
        print_written(rows.count(), f"recommendations for {number:,} users", folder, quiet=quiet, as_json=False)


def _read_users(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ReadError(f"{path} is not text: write the ids of users, one a line") from error
    except OSError as error:
        raise ReadError(f"{path} cannot be read: {error.strerror or error}") from error
    return [line.strip() for line in lines if line.strip()]
