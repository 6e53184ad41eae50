"""What endpoints share: the parts of the service, ids in paths, answers and their cache headers."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any
from urllib.parse import unquote

import orjson
from fastapi import Path as PathParameter
from fastapi import Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.convertors import Convertor, register_url_convertor
from starlette.responses import Response
from starlette.routing import NoMatchFound

from palate.errors import DataError
from palate.service.auth import Guard
from palate.service.cookies import Visitors
from palate.service.loaded_model import Running
from palate.service.problems import MEDIA
from palate.service.profiles import People
from palate.service.schemas import Problem, Wanted
from palate.service.settings import Settings
from palate.service.store import Store

__all__ = [
    "WANTED",
    "Count",
    "ItemId",
    "LevelOf",
    "Offset",
    "Parts",
    "UserId",
    "answer",
    "checked_user",
    "parts",
    "problems",
    "steady",
    "wanted_of",
]

_LONGEST = 512


class _Id(Convertor[str]):
    """One part of a path, decoded by itself: it may hold a slash."""

    regex = "[^/]+"

    def convert(self, value: str) -> str:
        return unquote(value, errors="surrogateescape")

    def to_string(self, value: str) -> str:  # pragma: no cover - no URL is made
        raise NoMatchFound("", {})


register_url_convertor("id", _Id())

UserId = Annotated[str, PathParameter(description="A user's id.", max_length=_LONGEST, examples=["12"])]
ItemId = Annotated[str, PathParameter(description="An item's id.", max_length=_LONGEST, examples=["5"])]
Count = Annotated[int, Query(ge=1, le=1000, description="How many.")]
Offset = Annotated[int, Query(ge=0, le=1_000_000, description="How many to leave out at the beginning.")]
LevelOf = Annotated[float | None, Query(gt=0, lt=1, description="Also tell the interval that holds this share.")]


@dataclass(frozen=True)
class Parts:
    """What a running service is made of."""

    settings: Settings
    running: Running
    store: Store
    people: People
    guard: Guard
    visitors: Visitors
    folder: TemporaryDirectory[str] | None

    @classmethod
    def of(cls, settings: Settings) -> Parts:
        """Open the store and the model.

        Raises
        ------
        StorageError, StoreError
            If one of them cannot be opened.
        """
        with ExitStack() as opened:
            folder = None if settings.runtime else TemporaryDirectory(prefix="palate-")
            if folder is not None:
                opened.callback(folder.cleanup)
            # The model first: without a good one no store is made.
            running = Running(settings.model, Path(folder.name if folder else settings.runtime))
            store = Store(settings.store_url, settings.busy)
            opened.callback(store.close)
            store.open()
            opened.pop_all()  # all went well: what was opened stays so
        guard = Guard(settings, store)
        visitors = Visitors(store, settings.secret.get_secret_value())
        return cls(settings, running, store, People(store), guard, visitors, folder)

    def close(self) -> None:
        """Close the store and remove the copies of the model."""
        self.store.close()
        if self.folder is not None:
            self.folder.cleanup()


def parts(request: Request) -> Parts:
    """Return the service that a request came to."""
    found: Parts = request.app.state.parts
    return found


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the problem documents that an endpoint may answer with."""
    content = {MEDIA: {"schema": {"$ref": f"#/components/schemas/{Problem.__name__}"}}}
    usual = (400, 401, 403, 404, 413, 415, 421, 422, 429, 500, 503)
    return {status: {"description": "A problem.", "content": content} for status in (*usual, *statuses)}


def answer(body: Any, headers: Mapping[str, str] | None = None, status: int = 200) -> Response:
    """Return a JSON answer (bytes are one already); unless told otherwise nobody between may keep it."""
    given = {"Cache-Control": "no-store", **headers} if headers else _NOT_KEPT
    made = body if isinstance(body, bytes) else orjson.dumps(body, option=orjson.OPT_NON_STR_KEYS)
    return Response(made, status, given, "application/json")


_NOT_KEPT = {"Cache-Control": "no-store"}


def steady(request: Request, tag: str, body: Any, *, age: int = 60) -> Response:
    """Return an answer that only depends on the model, to be kept and asked for again by its tag."""
    headers = {"ETag": f'"{tag}"', "Cache-Control": f"public, max-age={age}"}
    if f'"{tag}"' in [one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=headers)
    return answer(body() if callable(body) else body, headers)


def wanted_of(request: Request) -> Wanted:
    """Read how to recommend from the query. FastAPI would do the same in 350 µs; this takes 10.

    Raises
    ------
    RequestValidationError
        As FastAPI does.
    """
    if not request.scope["query_string"]:
        return _USUAL
    given: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        if name in _LISTS:
            given.setdefault(name, []).append(value)
        else:
            given[name] = value
    try:
        return Wanted.model_validate(given)
    except ValidationError as error:
        wrong = [{**one, "loc": ("query", *one["loc"])} for one in error.errors(include_url=False)]
        raise RequestValidationError(wrong) from error


_USUAL = Wanted()
_LISTS = frozenset({"only", "exclude"})


def _parameters() -> list[dict[str, Any]]:
    """Describe the parameters that `wanted_of` reads."""
    found = []
    for name, schema in Wanted.model_json_schema()["properties"].items():
        kinds = schema.pop("anyOf", None)  # null cannot be said in a query
        if kinds:
            schema = {**schema, **next(kind for kind in kinds if kind.get("type") != "null")}
        schema.pop("title", None)
        if schema.get("default", 0) is None:
            del schema["default"]
        if name in _LISTS:
            schema = {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 512}}
        found.append({"name": name, "in": "query", "required": False, "schema": schema})
    return found


#: Of endpoints that use `wanted_of`.
WANTED = {"parameters": _parameters()}


def checked_user(user: str) -> str:
    """Return a user's id under which ratings can be kept.

    Raises
    ------
    DataError
        If the id is no printable text.
    """
    if not user.isprintable() or not user.strip():
        raise DataError(f"a user id must be printable text, not {user[:40]!r}")
    return user
