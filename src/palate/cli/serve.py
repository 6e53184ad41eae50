"""Commands that run a service."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from palate.cli.fit_report import fit_warnings, print_warnings
from palate.cli.headings import PAGE, RUN, SAFETY, Group, command, option
from palate.cli.options import json_option, quiet_option, threads_option
from palate.cli.output import json_text, paragraph, table
from palate.cli.progress import epochs
from palate.cli.reading_options import ReadingOptions, complete_source, reading_options
from palate.errors import MissingExtraError, StorageError, StoreError

if TYPE_CHECKING:
    from palate.model import Model
    from palate.service.settings import Settings
    from palate.service.store import Store

__all__ = ["keys", "retrain", "serve"]

Function = TypeVar("Function", bound=Callable[..., Any])

config_option = option(
    "--config", type=click.Path(path_type=Path, dir_okay=False), help="A TOML file with settings, named as the flags."
)
store_option = option("--store", metavar="URL", help="Where ratings are kept. [SQLite beside the model]")


def _needs_extra(what: str) -> Callable[[Function], Function]:
    """Say which extra is missing where a command cannot import a package; `what` says what needs it."""

    def decorate(function: Function) -> Function:
        @wraps(function)
        def command(*arguments: Any, **options: Any) -> Any:
            try:
                return function(*arguments, **options)
            except ModuleNotFoundError as error:
                if (error.name or "palate").partition(".")[0] == "palate":
                    raise
                raise MissingExtraError(what, "serve") from error

        return cast(Function, command)

    return decorate


def _settings(config: Path | None, model: str | None, **flags: Any) -> Settings:
    from palate.service.settings import Settings

    return Settings.resolve(config, model=Path(model) if model else None, **flags)


def _store(settings: Settings) -> Store:
    from palate.service.store import Store

    store = Store(settings.store_url, settings.busy)
    store.open()
    click.get_current_context().call_on_close(store.close)
    return store


def _key_store(settings: Settings, *, make: bool = False) -> Store:
    """Open the store that has the keys; its file is made only for the first key, and only beside a model."""
    from palate.service.store import Store

    store = Store(settings.store_url, settings.busy)
    if store.is_local and not Path(store.database.where).exists():
        if not settings.model.is_file():
            raise StorageError(f"model {settings.model} cannot be read: there is no such file")
        if not make:
            raise StoreError(f"there are no keys yet, as there is no store {store.database.where}: palate keys add")
    store.open()
    return store


@command()
@click.argument("model", metavar="[MODEL]", required=False)
@config_option
@option("--host", metavar="ADDRESS", help="Listen on this address. [127.0.0.1]")
@option("--port", type=click.IntRange(0, 65535), help="Listen on this port. [8000]")
@option("--workers", type=click.IntRange(min=1), help="How many processes answer. [1]")
@store_option
@option("--retrain-every", metavar="WHEN", help="Fit anew after this many ratings (500) or this time (30m, 6h).")
@option(
    "--protect",
    type=click.Choice(["auto", "always", "never"]),
    help="Whether named users need an API key; auto: beyond loopback, or once there are keys. [auto]",
    heading=SAFETY,
)
@option(
    "--allow-host", "hosts", multiple=True, metavar="NAME", help="Be addressed by this name; repeat it.", heading=SAFETY
)
@option(
    "--allow-origin",
    "origins",
    multiple=True,
    metavar="URL",
    help="Let pages of this origin call the API.",
    heading=SAFETY,
)
@option("--proxies", metavar="ADDRESSES", help="Proxies whose X-Forwarded-For is believed.", heading=SAFETY)
@option(
    "--rate",
    type=click.FloatRange(min=0),
    help="Requests a second of one address. [20; any on loopback]",
    heading=SAFETY,
)
@option("--title", metavar="TEXT", help="The name of the page. [palate]", heading=PAGE)
@option("--noun", metavar="ONE/MANY", help="What the items are: joke/jokes. [item/items]", heading=PAGE)
@option("--intro", metavar="TEXT", help="What the page says first.", heading=PAGE)
@option("--log", type=click.Choice(["debug", "info", "warning", "error"]), help="What is logged. [info]")
@_needs_extra("a service")
def serve(
    model: str | None, config: Path | None, hosts: tuple[str, ...], origins: tuple[str, ...], **flags: Any
) -> None:
    """Answer questions to MODEL over HTTP, keep what people rate, and show a page.

    Every setting can also come from the environment (PALATE_PORT=8080) or from a TOML file; flags go first. API keys
    are made by `palate keys`. A new model file at the same place is served as soon as it is there.
    """
    settings = _settings(config, model, hosts=list(hosts) or None, origins=list(origins) or None, **flags)
    from palate.service.server import run

    run(settings, lambda address: click.echo(f"palate serves {settings.model} on {address}", err=True))


@command()
@click.argument("model", metavar="[MODEL]", required=False)
@click.argument("source", metavar="[NEW_RATINGS]", required=False, shell_complete=complete_source)
@config_option
@store_option
@option("--fresh", is_flag=True, help="Fit from the start instead of going on from MODEL.")
@option(
    "--time-budget", type=click.FloatRange(0, min_open=True), help="Seconds, instead of the model's own.", heading=RUN
)
@threads_option
@quiet_option
@json_option
@reading_options
@_needs_extra("a fit on the ratings of a service (one on NEW_RATINGS needs none)")
def retrain(
    model: str | None,
    source: str | None,
    config: Path | None,
    store: str | None,
    fresh: bool,
    time_budget: float | None,
    threads: int | None,
    quiet: bool,
    as_json: bool,
    reading: ReadingOptions,
) -> None:
    """Fit MODEL anew on its ratings and those in NEW_RATINGS, or in the store of a service, with its own settings.

    The fit goes on from MODEL, which takes about a third of the time of a fit from the start; it begins from the start
    by itself when the ratings have doubled. Where a pair is rated again, the new rating counts. The file is replaced
    whole, and a running service serves the new model at once. If anything goes wrong, the old model stays.
    """
    if source is not None:
        if config or store:
            raise click.UsageError("NEW_RATINGS are added to the model without a store: leave --store and --config out")
        _add_ratings(str(model), source, reading, quiet, as_json, fresh, threads=threads, time_budget=time_budget)
        return
    settings = _settings(config, model, store=store)
    from palate.retraining import retrain as fit

    if not settings.model.is_file():  # else an empty store would be made beside nothing
        raise StorageError(f"model {settings.model} cannot be read: there is no such file")
    events = _store(settings)
    with epochs(quiet or as_json) as progress:
        result = fit(settings.model, events, fresh=fresh, threads=threads, time_budget=time_budget, progress=progress)
    if as_json:
        counts = {"ratings": result.ratings, "stored": result.stored, "visitors": result.visitors}
        json_text({**counts, **_about(result.model)})
    elif not quiet:
        click.echo(
            f"Fitted {settings.model} anew on {result.ratings:,} ratings; {result.stored:,} came from the store."
        )
        _print_fit(result.model)
        if result.visitors:
            click.echo("Anonymous visitors taught it about items; by design they have no rows of their own in it.")


def _add_ratings(
    model: str, source: str, reading: ReadingOptions, quiet: bool, as_json: bool, fresh: bool, **options: Any
) -> None:
    from palate.refit import refit

    new = reading.ratings(source)
    with epochs(quiet or as_json) as progress:
        result = refit(model, new, fresh=fresh, progress=progress, **options)
    if as_json:
        json_text({"ratings": result.ratings, "new": result.new, **_about(result.model)})
    elif not quiet:
        click.echo(f"Fitted {model} anew on {result.ratings:,} ratings; {result.new:,} came from {source}.")
        _print_fit(result.model)


def _about(model: Model) -> dict[str, Any]:
    """Return what JSON says of a model that was fitted anew."""
    training = model.training
    sizes = {"users": len(model.users), "items": len(model.items)}
    return {**sizes, "start": training["start"], "warnings": fit_warnings(training)}


def _print_fit(model: Model) -> None:
    """Say whether a fit went on from the old model, whether a fit from the start is advised, and what to beware of."""
    training, start = model.training, model.training["start"]
    if start["warm_fits"]:
        times = "once" if start["warm_fits"] == 1 else f"{start['warm_fits']:,} times"
        paragraph(
            f"The fit went on from the old model, {times} since the last fit from the start, which had "
            f"{start['ratings']:,} ratings (--fresh fits from the start).",
            "",
        )
    else:
        click.echo("The fit began from the start.")
    for note in training["notes"]:
        if start["warm_fits"] and "--fresh" in note:
            paragraph(f"Note: {note}.", "")
    print_warnings(training)


@click.group(cls=Group)
def keys() -> None:
    """Make, list and revoke API keys of a service."""


_KEYS = [option("--model", metavar="MODEL", help="The model that is served."), config_option, store_option]


def _with_store(function: Function) -> Function:
    for add_option in reversed(_KEYS):
        function = add_option(function)
    return function


@keys.command("add")
@click.argument("name")
@option(
    "--scope", type=click.Choice(["read", "write", "admin"]), default="read", show_default=True, help="What it may do."
)
@_with_store
@_needs_extra("a key of a service")
def add(name: str, scope: str, model: str | None, config: Path | None, store: str | None) -> None:
    """Make a key and print it: only its hash is kept, it cannot be shown again."""
    from palate.service.auth import add_key

    click.echo(add_key(_key_store(_settings(config, model, store=store), make=True), scope, name))


@keys.command("list")
@_with_store
@json_option
@_needs_extra("a key of a service")
def listed(model: str | None, config: Path | None, store: str | None, as_json: bool) -> None:
    """List keys, without their secrets."""
    import time

    from palate.service.auth import list_keys

    listed_keys = list_keys(_key_store(_settings(config, model, store=store)))
    if as_json:
        json_text([{"id": key.id, "scope": key.scope, "name": key.name, "created": key.created} for key in listed_keys])
        return
    rows = [[key.id, key.scope, key.name, time.strftime("%Y-%m-%d", time.gmtime(key.created))] for key in listed_keys]
    table("", ["id", "scope", "name", "made"], rows, left=1)


@keys.command("revoke")
@click.argument("id")
@_with_store
@_needs_extra("a key of a service")
def revoke(id: str, model: str | None, config: Path | None, store: str | None) -> None:
    """Delete a key; running services notice within a second."""
    from palate.service.auth import revoke_key

    revoke_key(_key_store(_settings(config, model, store=store)), id)
    click.echo(f"The key {id} is revoked.")
