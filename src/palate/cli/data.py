"""Commands about data: look at it, list it, fetch it."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from palate.cli.feature_options import FeatureOptions, feature_options
from palate.cli.headings import command, option
from palate.cli.options import json_option
from palate.cli.output import json_text, paragraph, table
from palate.cli.progress import transfer
from palate.cli.reading_options import ReadingOptions, complete_source, is_dataset, load_catalogue, reading_options
from palate.cli.spark_options import engine_options, runs_on_spark

if TYPE_CHECKING:
    from palate.check import Check
    from palate.datasets import Dataset

__all__ = ["check", "datasets", "fetch"]

_REFUSED = 1
_COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}


@command()
@click.argument("source", metavar="RATINGS", shell_complete=complete_source)
@option("--items", metavar="ITEMS", help="The catalogue of --features catalogue.")
@engine_options("for a large table")
@json_option
@feature_options
@reading_options
def check(
    source: str,
    items: str | None,
    engine: str,
    master: str | None,
    as_json: bool,
    reading: ReadingOptions,
    features: FeatureOptions,
) -> None:
    """Check RATINGS, and tables of attributes, before anyone fits.

    Exits 0 if the table can be fitted as it is, 1 if `palate fit` would refuse it without further options.
    """
    if runs_on_spark(engine, master, {"items": items, "features": features != FeatureOptions()}):
        from palate import spark

        result = spark.check(source, master=master, **reading.spark_arguments())
    else:
        result = _check_here(source, reading)
    attributes = _check_features(source, items, reading, features) if result.ok else {}
    if as_json:
        json_text(result.as_dict() | ({"attributes": attributes} if attributes else {}))
    else:
        _print(result)
        for side, lines in attributes.items():
            click.secho(f"attributes of {side}", bold=True)
            for line in lines:
                paragraph(line, "  ")
    sys.exit(0 if result.ok else _REFUSED)


def _check_here(source: str, reading: ReadingOptions) -> Check:
    from palate.check import check_table
    from palate.reading import read_table

    if is_dataset(source):
        ratings = reading.ratings(source)
        columns = ratings.users.ids[ratings.user], ratings.items.ids[ratings.item], ratings.rating
        rows = replace(read_table(columns), source=source, notes=ratings.notes)
    else:
        rows = reading.table(source)
    settle = {"on_error": reading.on_error or "error", "duplicates": reading.duplicates or "error"}
    return check_table(rows, scale=reading.scale, **settle)


def _check_features(
    source: str, items: str | None, reading: ReadingOptions, features: FeatureOptions
) -> dict[str, list[str]]:
    """Return what was understood of the attributes of items and users, and how they go with the ratings."""
    from palate.solvers.feature_rows import with_unrated

    if features == FeatureOptions():
        return {}
    ratings, catalogue = reading.load(source)
    catalogue = load_catalogue(items, catalogue, reading.on_error)
    described = {}
    tables = features.read(catalogue, items or reading.dataset_folder(source))
    for name, attributes in tables.items():
        alone: dict[str, Any] = {name: attributes}
        notes = with_unrated(replace(ratings.compact(), notes=(), **alone)).notes
        described[f"{name.removesuffix('_features')}s"] = [*attributes.describe(), *notes]
    return described


def _print(result: Check) -> None:
    click.secho(result.source, bold=True)
    for note in result.notes:
        paragraph(note, "  ")
    counts = f"{result.rows:,}" + (f", {result.usable:,} of them usable" if result.usable < result.rows else "")
    rows = [["ratings", counts]]
    if result.scale is not None and result.most_user is not None and result.most_item is not None:
        low, high = result.scale
        rows += [
            ["users", f"{result.users:,}, {result.users_once:,} with one rating; {_most('user', result.most_user)}"],
            ["items", f"{result.items:,}, {result.items_once:,} with one rating; {_most('item', result.most_item)}"],
            ["density", f"{result.density:.3%} of all pairs"],
            ["scale", f"{low:g} to {high:g}: {result.scale_reason}"],
            ["values", f"mean {result.mean:.3f}, median {result.median:g}"],
            *([["times", str(result.times)]] if result.times is not None else []),
        ]
    table("", ["", ""], rows, left=2)
    _print_histogram(result)
    for finding in result.findings:
        click.secho(f"{finding.level}: ", fg=_COLOURS[finding.level], bold=True, nl=False)
        click.echo(finding.message)
        for example in finding.examples[1:] if finding.level == "error" else ():
            click.echo(f"    {example.where}: {example.value}")
    click.echo("This table can be fitted." if result.ok else "`palate fit` would refuse this table as it is.")


def _most(kind: str, most: tuple[int | str, int]) -> str:
    return f"{kind} {most[0]} has most, {most[1]:,}"


def _print_histogram(result: Check) -> None:
    most = max((bar.count for bar in result.histogram), default=1)
    names = [f"{bar.low:g}" if bar.low == bar.high else f"{bar.low:g} to {bar.high:g}" for bar in result.histogram]
    width = max(map(len, names), default=0)
    for name, bar in zip(names, result.histogram, strict=True):
        click.echo(f"  {name:>{width}} {'▆' * round(30 * bar.count / most)} {bar.count:,}")


@command()
@json_option
def datasets(as_json: bool) -> None:
    """List the data sets that RATINGS can name."""
    from palate.datasets import DATASETS

    descriptions = [_description(dataset) for dataset in DATASETS.values()]
    if as_json:
        json_text(descriptions)
        return
    for one in descriptions:
        here = "here" if one["cached"] else "to be fetched"
        click.secho(f"{one['name']}", bold=True, nl=False)
        click.echo(f"  {one['ratings']:,} ratings, {one['users']:,} users, {one['items']:,} items; {here}")
        paragraph(f"{one['title']}. Terms: {one['terms']}.", "  ")
    text = "`palate fetch NAME` downloads one for use offline; --folder names a folder that holds its files already."
    paragraph(text, "")


def _description(dataset: Dataset) -> dict[str, Any]:
    return {
        "name": dataset.name,
        "title": dataset.title,
        "ratings": dataset.ratings,
        "users": dataset.users,
        "items": dataset.items,
        "scale": [dataset.scale.low, dataset.scale.high],
        "generated": dataset.generated,
        "terms": dataset.terms,
        "cached": dataset.is_cached(),
        "path": str(dataset.path()),
    }


@command()
@click.argument("name")
@json_option
def fetch(name: str, as_json: bool) -> None:
    """Download a data set into the cache, so that it can be used offline.

    An interrupted download is continued by the next call.
    """
    from palate.datasets import DATASETS, load

    with transfer(name, as_json) as progress:
        ratings = load(name, progress=progress).ratings
    if as_json:
        json_text({**_description(DATASETS[name]), "ratings": len(ratings)})
        return
    click.echo(f"{name}: {len(ratings):,} ratings by {len(ratings.users):,} users, in {DATASETS[name].path()}")
