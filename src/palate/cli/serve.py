"""Commands that run a service."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["serve"]


@click.command()
@click.argument("model", metavar="[MODEL]", required=False)
@click.option("--host", metavar="ADDRESS", help="Listen on this address. [127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Listen on this port. [8000]")
@click.option("--store", metavar="URL", help="Keep ratings in this database. [SQLite beside the model]")
def serve(model: str | None, host: str | None, port: int | None, store: str | None) -> None:
    """Answer questions to MODEL over HTTP, keep what people rate, and show a page."""
    from palate.service.app import make_app
    from palate.service.logs import configure
    from palate.service.settings import Settings

    settings = Settings.resolve(model=Path(model) if model else None, host=host, port=port, store=store)
    configure(settings.log)
    import uvicorn

    uvicorn.run(make_app(settings), host=settings.host, port=settings.port, access_log=False, log_config=None)
