"""Every error as a problem document (RFC 9457), made in one place."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from palate.errors import DataError, PalateError, ReadError, SettingsError, StorageError, StoreError, UnknownIdError
from palate.service.deadline import DeadlineError

__all__ = ["MEDIA_TYPE", "install", "problem"]

_log = logging.getLogger("palate.service")

# What pydantic adds to the place of an error where several types are allowed.
_TYPES = frozenset({"int", "float", "str", "constrained-str"})
MEDIA_TYPE = "application/problem+json"

_STATUS: list[tuple[type[PalateError], int, str]] = [
    (UnknownIdError, 404, "Unknown id"),
    (DataError, 422, "A rating or what is asked for cannot be used"),
    (SettingsError, 422, "A parameter cannot be used"),
    (ReadError, 422, "A table cannot be read"),
    (StoreError, 503, "The store does not answer"),
    (StorageError, 503, "The model cannot be read"),
    (DeadlineError, 503, "The answer takes too long"),
]


def problem(status: int, detail: str, title: str = "", headers: dict[str, str] | None = None, **more: Any) -> Response:
    """Return a problem document."""
    body = {"type": "about:blank", "title": title or HTTPStatus(status).phrase, "status": status, "detail": detail}
    all_headers = {"Cache-Control": "no-store", **(headers or {})}
    if status == 503:
        all_headers.setdefault("Retry-After", "2")
    return Response(orjson.dumps({**body, **more}, default=str), status, all_headers, MEDIA_TYPE)


async def _palate_error(request: Request, error: Exception) -> Response:
    for kind, status, title in _STATUS:
        if isinstance(error, kind):
            if status == 503:
                _log.warning(title, extra={"reason": str(error)})
            return problem(status, getattr(error, "public", str(error)), title)
    _log.error("an error without a status", exc_info=error)
    return await _unexpected_error(request, error)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = f"{request.method} {request.url.path[:200]}: {error.detail}"
    return problem(error.status_code, detail, headers=dict(error.headers or {}))


async def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    media_type = request.headers.get("content-type", "")
    if any(one["loc"][0] == "body" for one in error.errors()) and not _is_json(media_type):
        actual = f"not {media_type[:100]!r}" if media_type else "which is missing"
        return problem(415, f"a body needs the header 'Content-Type: application/json', {actual}")
    errors = _merged([(list(one["loc"]), one["msg"]) for one in error.errors()])
    detail = "; ".join(f"{'.'.join(map(str, one['where']))}: {one['what']}" for one in errors[:3])
    return problem(422, detail[:500], "The request is not as described", errors=errors[:20])


def _merged(errors: list[tuple[list[Any], str]]) -> list[dict[str, Any]]:
    """Return one error for each place: where several types are allowed, pydantic has one for each of them."""
    places: dict[tuple[Any, ...], list[str]] = {}
    for where, what in errors:
        while len(where) > 2 and where[-1] in _TYPES:
            where = where[:-1]
        places.setdefault(tuple(where), []).append(what)
    return [{"where": list(where), "what": ", or: ".join(dict.fromkeys(whats))} for where, whats in places.items()]


def _is_json(media_type: str) -> bool:
    kind = media_type.partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


async def _unexpected_error(request: Request, error: Exception) -> Response:
    return problem(500, "this should not have happened: it was logged")


def install(app: FastAPI) -> None:
    """Turn all errors of an application into problem documents."""
    app.add_exception_handler(PalateError, _palate_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(Exception, _unexpected_error)
