"""The OpenAPI document: what FastAPI derives from the routes, and what the middleware does before them."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from palate.service.auth import required_scope
from palate.service.problems import MEDIA_TYPE
from palate.service.schemas import Problem

__all__ = ["complete_openapi", "operation_id"]

_WHEN = {
    400: "The request is not HTTP as it should be, or its body is not JSON.",
    401: "A key is missing, or is no key of this service.",
    403: "The key may not do this, or the request comes from a page of another origin.",
    404: "A user or an item is unknown.",
    413: "The body is too large.",
    415: "The body is not sent as JSON.",
    421: "The request is addressed to another host.",
    422: "A parameter or the body is not as described, or cannot be used with this model.",
    429: "This address asks too often.",
    503: "The store does not answer, or the answer takes too long.",
}
_NEVER_AWAY = ("/healthz", "/metrics")


def operation_id(route: APIRoute) -> str:
    """Return the name of an operation: that of its function."""
    return route.name


def complete_openapi(app: FastAPI) -> None:
    """Let an application describe problem documents, statuses and API keys as well."""
    describe_endpoints = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = describe_endpoints()
            components = document.setdefault("components", {})
            components.setdefault("schemas", {})["Problem"] = Problem.model_json_schema()
            components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer", "description": "An API key."}}
            for path, operations in document["paths"].items():
                for method, operation in operations.items():
                    _complete(operation, method.upper(), path)
            for unused in ("HTTPValidationError", "ValidationError"):
                components["schemas"].pop(unused, None)
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(operation: dict[str, Any], method: str, path: str) -> None:
    scope = required_scope(method, path)
    if scope is not None:
        operation["security"] = [{"key": []}] if scope == "admin" else [{}, {"key": []}]
    responses = {status: one for status, one in operation["responses"].items() if int(status) < 400}
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for status in _statuses(operation, method, path, scope):
        responses[str(status)] = {"description": _WHEN[status], "content": content}
    operation["responses"] = responses


def _statuses(operation: dict[str, Any], method: str, path: str, scope: str | None) -> list[int]:
    """Return the statuses of the problems that an operation can have."""
    can_occur = {400, 401, 421, 422, 429}
    if scope is not None or method != "GET":
        can_occur.add(403)
    if "{" in path or path in ("/v1/recommendations", "/v1/predictions") or _names_items(operation):
        can_occur.add(404)
    if "requestBody" in operation:
        can_occur |= {404, 413, 415}
    if path not in _NEVER_AWAY:
        can_occur.add(503)
    return sorted(can_occur)


def _names_items(operation: dict[str, Any]) -> bool:
    return any(one["name"] in ("only", "exclude") for one in operation.get("parameters", []))
