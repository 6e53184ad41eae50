"""What a model's record tells about it."""

from __future__ import annotations

import weakref
from statistics import NormalDist
from typing import Any

import numpy as np

from palate.model import Posterior
from palate.service.loaded_model import LoadedModel

__all__ = ["facts", "quality"]

_LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
_BINS = 20
_kept: weakref.WeakKeyDictionary[LoadedModel, dict[str, Any]] = weakref.WeakKeyDictionary()


def facts(edition: LoadedModel) -> dict[str, Any]:
    """Return what a model is made of."""
    model, sizes = edition.model, edition.model.size
    kept = sizes["factors"] + sizes["biases"]
    return {
        "model": edition.tag,
        "users": len(model.users),
        "items": len(model.items),
        "ratings": len(model.seen.values) if model.seen else None,
        "factors": model.factors,
        "catalogue": len(model.catalogue),
        "scale": [model.scale.low, model.scale.high],
        "mean": model.mean,
        "certain": model.posterior is not None,
        "bytes": edition.size,
        "numbers": {**sizes, "kept": kept, "share": kept / max(1, sizes["matrix"])},
        "solver": dict(model.solver),
        "loaded": edition.loaded,
    }


def quality(edition: LoadedModel) -> dict[str, Any]:
    """Return how the fit went and how sure the model is."""
    found = _kept.get(edition)
    if found is None:
        training = dict(edition.model.training)
        history = training.pop("history", [])
        certain = edition.model.posterior
        calibration = _calibration(certain) if certain is not None else None
        found = {"history": history, "training": training, "calibration": calibration, "spread": _spread(edition)}
        _kept[edition] = found
    return found


def _calibration(posterior: Posterior) -> dict[str, Any] | None:
    """Compare the intervals of a normal distribution with what held-out ratings of the pilot fit showed.

    `plain` is the share of held-out ratings that an uncalibrated interval would have held. `width` is by how much the
    model's intervals are wider, in standard deviations, so as to hold what they say.
    """
    sizes = posterior.calibration
    if not len(sizes):
        return None
    normal = NormalDist().inv_cdf
    usual = [normal((1 + level) / 2) for level in _LEVELS]
    plain = [float(np.searchsorted(sizes, width) / len(sizes)) for width in usual]
    return {"levels": list(_LEVELS), "plain": plain, "usual": usual, "width": [posterior.width(one) for one in _LEVELS]}


def _spread(edition: LoadedModel) -> dict[str, Any]:
    """Return how ratings, and ratings a user and an item, are distributed."""
    model = edition.model
    if model.seen is None:
        return {}
    low, high = model.scale.low, model.scale.high
    if model.predicts == "choice":
        low, high = float(model.seen.values.min(initial=0)), float(model.seen.values.max(initial=1))
    counts, edges = np.histogram(model.seen.values, bins=_BINS, range=(low, max(high, low + 1e-6)))
    shares = [0, 10, 25, 50, 75, 90, 100]

    def quantiles(of: Any) -> list[float]:
        return [float(one) for one in np.percentile(of, shares)] if len(of) else []

    return {
        "ratings": {"edges": edges.tolist(), "counts": counts.tolist()},
        "percents": shares,
        "ratings_of_a_user": quantiles(np.diff(model.seen.indptr)),
        "ratings_of_an_item": quantiles(model.item_counts),
    }
