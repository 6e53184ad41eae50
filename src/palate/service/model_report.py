"""What a model's file says about the model: its sizes, how the fit went, and how sure it is."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from cachetools import cached

from palate.model import Model
from palate.service.loaded_model import LoadedModel

__all__ = ["quality", "summary"]

_LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
_PERCENTILES = (0, 10, 25, 50, 75, 90, 100)
_BINS = 20


def summary(loaded: LoadedModel) -> dict[str, Any]:
    """Return what the model is made of."""
    model, sizes = loaded.model, loaded.model.size
    stored = sizes["factors"] + sizes["biases"]
    return {
        "model": loaded.tag,
        "users": len(model.users),
        "items": len(model.items),
        "ratings": len(model.seen.values) if model.seen else None,
        "factors": model.factors,
        "catalogue": len(model.catalogue),
        "predicts": model.predicts,
        "scale": [model.scale.low, model.scale.high],
        "mean": model.mean,
        "certain": model.posterior is not None,
        "bytes": loaded.size,
        "numbers": {**sizes, "kept": stored, "share": stored / max(1, sizes["matrix"])},
        "solver": dict(model.solver),
        "loaded": loaded.loaded,
    }


@cached(WeakKeyDictionary[LoadedModel, dict[str, Any]](), key=lambda loaded: loaded)
def quality(loaded: LoadedModel) -> dict[str, Any]:
    """Return how the fit went and how sure the model is."""
    training = dict(loaded.model.training)
    history = training.pop("history", [])
    calibration, spread = _calibration(loaded.model), _spread(loaded.model)
    return {"history": history, "training": training, "calibration": calibration, "spread": spread}


def _calibration(model: Model) -> dict[str, Any] | None:
    """Compare the intervals of a normal distribution with the held-out ratings of the trial fit.

    `plain` is the share of held-out ratings inside an uncalibrated interval, which is `usual` standard deviations wide
    on each side. `width` is the same for the model's own intervals, which are widened until they hold the share that
    they promise.
    """
    posterior = model.posterior
    if posterior is None or not len(posterior.calibration):
        return None
    errors = posterior.calibration  # absolute, in standard deviations, sorted
    usual = [NormalDist().inv_cdf((1 + level) / 2) for level in _LEVELS]
    plain = [float(np.searchsorted(errors, width) / len(errors)) for width in usual]
    width = [posterior.width(level) for level in _LEVELS]
    return {"levels": list(_LEVELS), "plain": plain, "usual": usual, "width": width}


def _spread(model: Model) -> dict[str, Any]:
    """Return the distribution of ratings, of ratings per user and of ratings per item."""
    if model.seen is None:
        return {}
    low, high = model.scale.low, model.scale.high
    if model.predicts == "choice":
        low, high = float(model.seen.values.min(initial=0)), float(model.seen.values.max(initial=1))
    counts, edges = np.histogram(model.seen.values, bins=_BINS, range=(low, max(high, low + 1e-6)))
    return {
        "ratings": {"edges": edges.tolist(), "counts": counts.tolist()},
        "percents": list(_PERCENTILES),
        "ratings_of_a_user": _percentiles(np.diff(model.seen.indptr)),
        "ratings_of_an_item": _percentiles(model.item_counts),
    }


def _percentiles(values: Any) -> list[float]:
    return [float(one) for one in np.percentile(values, _PERCENTILES)] if len(values) else []
