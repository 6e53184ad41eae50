"""The command that finds similar items and users."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from palate.cli.headings import SPARK, command, option
from palate.cli.model_options import (
    count_option,
    item_texts,
    load_model,
    model_argument,
    model_id,
    print_item_text,
    print_scored,
    scored_values,
    texts_option,
)
from palate.cli.options import json_option
from palate.cli.output import json_text
from palate.cli.spark_options import engine_options, print_written, runs_on_spark, written_folder

__all__ = ["similar"]


@command()
@model_argument
@option("--item", metavar="ID", help="Find items that the same people like.")
@option("--user", metavar="ID", help="Find users with the same taste.")
@count_option("How many.")
@option("--by", type=click.Choice(["cosine", "dot"]), default="cosine", show_default=True, help="Of the factors.")
@texts_option
@option(
    "--all", "everything", is_flag=True, help="With --engine spark: for all items, written to -o FOLDER.", heading=SPARK
)
@option("-o", "--output", type=click.Path(path_type=Path), metavar="FOLDER", help="Of --all.", heading=SPARK)
@engine_options("with --all")
@json_option
def similar(
    model: str,
    item: str | None,
    user: str | None,
    count: int,
    by: Any,
    texts: bool,
    everything: bool,
    output: Path | None,
    engine: str,
    master: str | None,
    as_json: bool,
) -> None:
    """Find similar items, or similar users; with --all, similar items of all items."""
    on_spark = runs_on_spark(engine, master, {"item": item, "user": user, "texts": texts} if everything else {})
    if everything != on_spark or (output and not everything):
        raise click.UsageError("--all, -o and --engine spark go together")
    if on_spark:
        from palate.spark import similar_items

        folder = written_folder("--all", output)
        rows = similar_items(model, folder, count, by=by, master=master)
        print_written(rows.count(), "similar items", folder, quiet=False, as_json=as_json, by=by)
        return
    if (item is None) == (user is None):
        raise click.UsageError("give either --item or --user")
    fitted = load_model(model)
    if item is not None:
        ranked = fitted.similar_items(item, count, by=by)
        about: dict[str, Any] = {"item": model_id(fitted.items, item), **item_texts(fitted, item)}
    else:
        ranked = fitted.similar_users(str(user), count, by=by)
        about = {"user": model_id(fitted.users, user)}
    items = item is not None
    if as_json:
        rows = [scored_values(one, "similarity", fitted, items=items) for one in ranked]
        json_text({**about, "by": by, "similar": rows})
        return
    if item is not None:
        click.echo(f"Item {item}:" if fitted.catalogue.get(item) else f"Item {item}")
        print_item_text(fitted, item)
    title = "People who liked it also liked" if items else f"Users like {user}"
    print_scored(title, "similarity", ranked, fitted, items=items, texts=texts)
