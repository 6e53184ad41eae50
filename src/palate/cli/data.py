"""Commands about data: look at it, list it, fetch it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from palate.cli import show
from palate.cli.options import complete_source, is_dataset, json_option, load_ratings, load_table, reading_options

if TYPE_CHECKING:
    from palate.check import Check
    from palate.datasets import Dataset

__all__ = ["check", "datasets", "fetch"]

_REFUSED = 1
_COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}


@click.command()
@click.argument("source", metavar="RATINGS", shell_complete=complete_source)
@json_option
@reading_options
def check(source: str, as_json: bool, **reading: Any) -> None:
    """Look at RATINGS before anyone fits.

    Exits 0 if the table can be fitted as it is, 1 if `palate fit` would refuse it without further options.
    """
    from dataclasses import replace

    from palate.check import check_table
    from palate.reading import read_table

    if is_dataset(source):
        ratings, _ = load_ratings(source, **reading)
        columns = ratings.users.ids[ratings.user], ratings.items.ids[ratings.item], ratings.rating
        table = replace(read_table(columns), source=source, notes=ratings.notes)
    else:
        table = load_table(source, **reading)
    found = check_table(table, scale=reading["scale"], on_error=reading["on_error"], duplicates=reading["duplicates"])
    if as_json:
        show.json_text(found.as_dict())
    else:
        _tell(found)
    sys.exit(0 if found.ok else _REFUSED)


def _tell(found: Check) -> None:
    click.secho(found.source, bold=True)
    for note in found.notes:
        show.paragraph(note, "  ")
    counts = f"{found.rows:,}" + (f", {found.usable:,} of them usable" if found.usable < found.rows else "")
    rows = [["ratings", counts]]
    if found.scale is not None and found.most_user is not None and found.most_item is not None:
        low, high = found.scale
        rows += [
            ["users", f"{found.users:,}, {found.users_once:,} with one rating; {_most('user', found.most_user)}"],
            ["items", f"{found.items:,}, {found.items_once:,} with one rating; {_most('item', found.most_item)}"],
            ["density", f"{found.density:.3%} of all pairs"],
            ["scale", f"{low:g} to {high:g}: {found.scale_reason}"],
            ["values", f"mean {found.mean:.3f}, median {found.median:g}"],
            *([["times", str(found.times)]] if found.times is not None else []),
        ]
    show.table("", ["", ""], rows, left=2)
    _histogram(found)
    for finding in found.findings:
        click.secho(f"{finding.level}: ", fg=_COLOURS[finding.level], bold=True, nl=False)
        click.echo(finding.message)
        for example in finding.examples[1:] if finding.level == "error" else ():
            click.echo(f"    {example.where}: {example.value}")
    click.echo("This table can be fitted." if found.ok else "`palate fit` would refuse this table as it is.")


def _most(kind: str, most: tuple[int | str, int]) -> str:
    return f"{kind} {most[0]} has most, {most[1]:,}"


def _histogram(found: Check) -> None:
    most = max((bar.count for bar in found.histogram), default=1)
    names = [f"{bar.low:g}" if bar.low == bar.high else f"{bar.low:g} to {bar.high:g}" for bar in found.histogram]
    width = max(map(len, names), default=0)
    for name, bar in zip(names, found.histogram, strict=True):
        click.echo(f"  {name:>{width}} {'▆' * round(30 * bar.count / most)} {bar.count:,}")


@click.command()
@json_option
def datasets(as_json: bool) -> None:
    """List the data sets that RATINGS can name."""
    from palate.datasets import DATASETS

    found = [_described(dataset) for dataset in DATASETS.values()]
    if as_json:
        show.json_text(found)
        return
    for one in found:
        here = "here" if one["cached"] else "to be fetched"
        click.secho(f"{one['name']}", bold=True, nl=False)
        click.echo(f"  {one['ratings']:,} ratings, {one['users']:,} users, {one['items']:,} items; {here}")
        show.paragraph(f"{one['title']}. Terms: {one['terms']}.", "  ")
    text = "`palate fetch NAME` downloads one for use offline; --folder names a folder that holds its files already."
    show.paragraph(text, "")


def _described(dataset: Dataset) -> dict[str, Any]:
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


@click.command()
@click.argument("name")
@json_option
def fetch(name: str, as_json: bool) -> None:
    """Download a data set into the cache, so that it can be used offline.

    An interrupted download is continued by the next call.
    """
    from palate.datasets import DATASETS, load

    with show.transfer(name, as_json) as progress:
        ratings = load(name, progress=progress).ratings
    if as_json:
        show.json_text({**_described(DATASETS[name]), "ratings": len(ratings)})
        return
    click.echo(f"{name}: {len(ratings):,} ratings by {len(ratings.users):,} users, in {DATASETS[name].path()}")
