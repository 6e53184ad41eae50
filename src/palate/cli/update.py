"""The command that adds ratings to a model without fitting again."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from palate.cli.fit_report import fit_warnings, print_warnings
from palate.cli.headings import command, option
from palate.cli.model_options import load_model, model_argument
from palate.cli.options import json_option
from palate.cli.output import json_text, paragraph, size
from palate.cli.reading_options import ReadingOptions, complete_source, reading_options

if TYPE_CHECKING:
    from palate.ratings import Vocabulary

__all__ = ["update"]

# New ids that are named.
_EXAMPLES = 3


@command()
@model_argument
@click.argument("sources", metavar="NEW_RATINGS...", nargs=-1, required=True, shell_complete=complete_source)
@option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The model file to write; it may be MODEL, which is then replaced as a whole.",
)
@json_option
@reading_options
def update(model: str, sources: tuple[str, ...], output: Path, as_json: bool, reading: ReadingOptions) -> None:
    """Add NEW_RATINGS to MODEL without fitting again.

    The factors of users and items with new ratings are computed anew, and new ones are added; all else stays as it is.
    Where a pair is rated again, the new rating counts. `palate retrain` goes on with the fit instead: it takes longer,
    and also learns what all users and items share.
    """
    from palate.check.findings import many
    from palate.storage import save
    from palate.workflow import check_model_output

    check_model_output(output, *sources)
    started = time.perf_counter()
    fitted = load_model(model)
    new, _ = reading.load_all(sources)
    updated = fitted.with_ratings(new)
    save(updated, output)
    counts = updated.training["updates"][-1]
    if as_json:
        sizes = {"users": len(updated.users), "items": len(updated.items)}
        json_text({"model": str(output), **sizes, "update": counts, "warnings": fit_warnings(updated.training)})
        return
    paragraph(
        f"Added {many(counts['ratings'], 'rating')} in {time.perf_counter() - started:.1f} s "
        f"({counts['replaced']:,} of them replace older ones): {_new(fitted.users, updated.users)}, "
        f"{_new(fitted.items, updated.items)}; what is known of {many(counts['users'], 'user')} and "
        f"{many(counts['items'], 'item')} was computed anew, all others stay.",
        "",
    )
    print_warnings(updated.training)
    click.echo(f"Saved {output} ({size(output.stat().st_size)}).")


def _new(before: Vocabulary, after: Vocabulary) -> str:
    """Say how many ids are new, and name a few: one may be a typing error."""
    from palate.check.findings import many

    if len(after) == len(before):
        return f"no new {after.kind}"
    fresh = after.ids[before.index(after.ids) < 0].tolist()
    examples = ", ".join(map(repr, fresh[:_EXAMPLES])) + ", …" * (len(fresh) > _EXAMPLES)
    return f"{many(len(fresh), f'new {after.kind}')} ({examples})"
