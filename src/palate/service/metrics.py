"""Counters for Prometheus."""

from __future__ import annotations

import os
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess
from starlette.types import Scope

__all__ = ["EVENTS", "EXCHANGES", "LOADED", "count_request", "exposition"]

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_REGISTRY = CollectorRegistry()
_SECONDS = Histogram(
    "palate_request_seconds", "Time to answer.", ["route", "method", "status"], buckets=_BUCKETS, registry=_REGISTRY
)
EVENTS = Counter("palate_events", "Ratings stored or withdrawn.", ["kind"], registry=_REGISTRY)
EXCHANGES = Counter("palate_model_exchanges", "New model files.", ["outcome"], registry=_REGISTRY)
LOADED = Gauge(
    "palate_model_loaded_seconds", "When the model was loaded.", registry=_REGISTRY, multiprocess_mode="mostrecent"
)
_series: dict[tuple[str, str, int], Any] = {}


def count_request(scope: Scope, status: int, seconds: float) -> None:
    """Count one request under its route; under its path, ids would make new series without end."""
    route = getattr(scope.get("route"), "path", None) or "other"
    labels = (str(route), scope["method"] if scope["method"] in _METHODS else "other", status)
    series = _series.get(labels)
    if series is None:
        series = _series[labels] = _SECONDS.labels(labels[0], labels[1], str(status))
    series.observe(seconds)


def exposition() -> bytes:
    """Return all counters as text; with several workers, the sums over all of them."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(_REGISTRY)
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
