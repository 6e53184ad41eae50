"""What the endpoints share: ids in paths, query parameters, responses and their cache headers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any
from urllib.parse import unquote

import orjson
from fastapi import Path, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.convertors import Convertor, register_url_convertor
from starlette.responses import Response
from starlette.routing import NoMatchFound

from palate.errors import DataError
from palate.service.problems import MEDIA_TYPE
from palate.service.schemas import Problem, RecommendationOptions

__all__ = [
    "RECOMMENDATION_PARAMETERS",
    "Count",
    "ItemId",
    "LevelQuery",
    "Offset",
    "UserId",
    "cacheable_response",
    "check_user_id",
    "json_response",
    "problem_responses",
    "recommendation_options",
]

_LONGEST_ID = 512
_NO_STORE = {"Cache-Control": "no-store"}


class _IdConvertor(Convertor[str]):
    """One part of a path, which is percent-decoded by itself: an id may contain a slash."""

    regex = "[^/]+"

    def convert(self, value: str) -> str:
        return unquote(value, errors="surrogateescape")

    def to_string(self, value: str) -> str:  # pragma: no cover - no URL is made
        raise NoMatchFound("", {})


register_url_convertor("id", _IdConvertor())

UserId = Annotated[str, Path(description="A user's id.", max_length=_LONGEST_ID, examples=["12"])]
ItemId = Annotated[str, Path(description="An item's id.", max_length=_LONGEST_ID, examples=["5"])]
Count = Annotated[int, Query(ge=1, le=1000, description="How many.")]
Offset = Annotated[int, Query(ge=0, le=1_000_000, description="How many to skip at the beginning.")]
LevelQuery = Annotated[
    float | None, Query(gt=0, lt=1, description="Add the interval that contains the rating with this probability.")
]


def problem_responses() -> dict[int | str, dict[str, Any]]:
    """Describe, for the OpenAPI document, the problem documents that an endpoint may respond with."""
    content = {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{Problem.__name__}"}}}
    statuses = (400, 401, 403, 404, 413, 415, 421, 422, 429, 500, 503)
    return {status: {"description": "A problem.", "content": content} for status in statuses}


def json_response(body: Any, headers: Mapping[str, str] | None = None, status: int = 200) -> Response:
    """Return a JSON response; bytes are JSON already. Without other headers no cache may keep it."""
    content = body if isinstance(body, bytes) else orjson.dumps(body, option=orjson.OPT_NON_STR_KEYS)
    return Response(content, status, {**_NO_STORE, **headers} if headers else _NO_STORE, "application/json")


def cacheable_response(request: Request, tag: str, body: Callable[[], Any], *, age: int = 60) -> Response:
    """Return a response that depends only on the model: caches may keep it, and ask whether its tag has changed."""
    headers = {"ETag": f'"{tag}"', "Cache-Control": f"public, max-age={age}"}
    known_tags = request.headers.get("if-none-match", "").split(",")
    if f'"{tag}"' in [known.strip().removeprefix("W/") for known in known_tags]:
        return Response(status_code=304, headers=headers)
    return json_response(body(), headers)


def recommendation_options(request: Request) -> RecommendationOptions:
    """Read how to recommend from the query. FastAPI does the same in 350 µs; this takes 10.

    Raises
    ------
    RequestValidationError
        As FastAPI does.
    """
    if not request.scope["query_string"]:
        return _DEFAULT_OPTIONS
    values: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        if name in _LISTS:
            values.setdefault(name, []).append(value)
        else:
            values[name] = value
    try:
        return RecommendationOptions.model_validate(values)
    except ValidationError as error:
        errors = [{**one, "loc": ("query", *one["loc"])} for one in error.errors(include_url=False)]
        raise RequestValidationError(errors) from error


_DEFAULT_OPTIONS = RecommendationOptions()
_LISTS = frozenset({"only", "exclude"})


def _recommendation_parameters() -> list[dict[str, Any]]:
    parameters = []
    for name, schema in RecommendationOptions.model_json_schema()["properties"].items():
        alternatives = schema.pop("anyOf", None)  # a query cannot contain null
        if alternatives:
            schema = {**schema, **next(one for one in alternatives if one.get("type") != "null")}
        schema.pop("title", None)
        if schema.get("default", 0) is None:
            del schema["default"]
        if name in _LISTS:
            schema = {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": _LONGEST_ID}}
        parameters.append({"name": name, "in": "query", "required": False, "schema": schema})
    return parameters


#: Describes, for the OpenAPI document, what `recommendation_options` reads.
RECOMMENDATION_PARAMETERS = {"parameters": _recommendation_parameters()}


def check_user_id(user: str) -> str:
    """Return a user's id if ratings can be stored under it.

    Raises
    ------
    DataError
        If the id is not printable.
    """
    if not user.isprintable() or not user.strip():
        raise DataError(f"a user id must be printable text, not {user[:40]!r}")
    return user
