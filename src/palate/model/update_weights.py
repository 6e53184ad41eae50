r"""New items among the weights of EASE, in closed form, without inverting the matrix again.

The weights come from :math:`P = (X^T D X + \lambda I)^{-1}`: :math:`B_{ij} = -P_{ij} / P_{jj}`, and the head keeps
:math:`1 / P_{jj}` as the variance of j. So P is known from the head as far as weights are kept. For a new item with the
co-counts c with the items of the head and the diagonal entry d, block inversion gives

.. math:: w = P c, \quad s = d - c^T w, \quad B_{i,new} = w_i, \quad B_{new,j} = w_j / (s P_{jj}),

and s is the variance of the new item. For several new items c and w are matrices and S a matrix, the inverse of which
takes the place of 1 / s: so what users chose of several new items counts too. Weights between the items of the head
stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from palate.model.choice import WeightsHead
from palate.ratings import Ratings

__all__ = ["add_items", "fold_in_weights", "weight_settings"]

Doubles = NDArray[np.float64]
Indices = NDArray[np.int32]

# What a weight of a new item is computed with, where the fit left no record: see `palate.EASE`.
_USUAL_SETTINGS = {"regularization": 300.0, "exponent": 0.5, "dropout": 0.5}
# The strongest weights of a new item that are kept, in each direction.
_MOST = 400
# This many new items are added at a time. What users chose of items of different blocks does not count.
_BLOCK = 500


def add_items(
    head: WeightsHead,
    choices: Ratings,
    move: Indices,
    is_new: NDArray[np.bool_],
    settings: Mapping[str, float],
) -> WeightsHead:
    """Return the head with new items.

    Parameters
    ----------
    head
        With weights between the old items.
    choices
        All choices, of old and new items.
    move
        int32, (old,): the index of each old item in `choices`.
    is_new
        bool, (items,): which items of `choices` the head lacks.
    settings
        "regularization", "exponent" and "dropout" of `palate.EASE`.
    """
    size = len(is_new)
    source = np.repeat(move, np.diff(head.indptr))
    rows, columns, weights = [source], [move[head.targets]], [head.weights]
    variance = np.ones(size, np.float32)
    variance[move] = head.variance
    importance = _user_weights(choices, settings["exponent"])
    for items in _blocks(np.flatnonzero(is_new)):
        block = _new_block(head, choices, items, move, importance, settings)
        variance[items] = block.variance
        pairs = ((block.into, move, True), (block.out, move, False), (block.among, items, True))
        for matrix, others, is_into in pairs:
            for place, item in enumerate(items.tolist()):
                values = matrix[:, place]
                strongest = np.argsort(-np.abs(values), kind="stable")[:_MOST]
                strongest = np.sort(strongest[values[strongest] != 0])
                same = np.full(len(strongest), item, np.int32)
                rows.append(others[strongest].astype(np.int32) if is_into else same)
                columns.append(same if is_into else others[strongest].astype(np.int32))
                weights.append(values[strongest].astype(np.float32))
    row, column, weight = np.concatenate(rows), np.concatenate(columns), np.concatenate(weights)
    order = np.lexsort((column, row))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=size))]).astype(np.int64)
    targets = column[order].astype(np.int32)
    return replace(head, indptr=indptr, targets=targets, weights=weight[order].astype(np.float32), variance=variance)


class _Block(NamedTuple):
    """The weights of some new items: from and to the items of the head, (old, new), and among them, (new, new)."""

    into: Doubles
    out: Doubles
    among: Doubles
    variance: Doubles


def _blocks(items: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    return np.array_split(items, -(-len(items) // _BLOCK)) if len(items) else []


def _new_block(
    head: WeightsHead,
    choices: Ratings,
    items: NDArray[np.intp],
    move: Indices,
    importance: Doubles,
    settings: Mapping[str, float],
) -> _Block:
    """Invert the part of some new items at once, with what users chose of several of them."""
    known, among = np.zeros((len(move), len(items))), np.zeros((len(items), len(items)))
    for place, item in enumerate(items.tolist()):
        counts = _co_counts(choices, choices.by_item[item][0], importance, len(choices.items))
        known[:, place], among[:, place] = counts[move], counts[items]
    projected = np.column_stack([_project(head, counts) for counts in known.T])
    regularization = settings["regularization"]
    np.fill_diagonal(among, np.diag(among) / (1 - settings["dropout"]) + regularization)
    schur = among - known.T @ projected
    # The kept weights approximate P, so variances are held above those of items which others explain fully.
    values, vectors = np.linalg.eigh((schur + schur.T) / 2)
    inverse = (vectors / np.maximum(values, regularization)) @ vectors.T
    variance = 1 / np.diag(inverse)
    coupled = projected @ inverse
    between = -inverse * variance
    np.fill_diagonal(between, 0)
    return _Block(coupled * variance, coupled * head.variance[:, None], between, variance)


def fold_in_weights(head: WeightsHead, choices: Ratings, users: Indices, settings: Mapping[str, float]) -> Doubles:
    """Return the weights from each item of the head to a new item that these users chose: float64, (items,).

    Parameters
    ----------
    head
        The fitted weights.
    choices
        Those that the head was fitted on.
    users
        Indices of the users who chose the new item.
    settings
        As in `add_items`.
    """
    importance = _user_weights(choices, settings["exponent"])
    counts = _co_counts(choices, users, importance, head.size)
    return _weights_of_new_item(head, counts, float(importance[users].sum()), settings)[0]


def weight_settings(solver: Mapping[str, Any], training: Mapping[str, Any]) -> dict[str, float]:
    """Return the settings with which the weights of a model were fitted, as far as its records tell."""
    lists = (training.get("lists") or {}).get("settings", {})
    known = {**solver, **lists}
    known["regularization"] = lists.get("regularization") or training.get("regularization")
    return {name: float(known.get(name) or usual) for name, usual in _USUAL_SETTINGS.items()}


def _co_counts(choices: Ratings, users: Indices, importance: Doubles, items: int) -> Doubles:
    """Return the weighted number of these users who chose each item."""
    counts = np.zeros(items)
    for user in users.tolist():
        counts[choices.by_user[user][0]] += importance[user]
    return counts


def _weights_of_new_item(
    head: WeightsHead, counts: Doubles, diagonal: float, settings: Mapping[str, float]
) -> tuple[Doubles, Doubles, float]:
    """Return the weights from each item of the head to a new item, those from the new item, and its variance.

    Parameters
    ----------
    head
        The fitted weights.
    counts
        float64, (items,): the weighted number of users who chose both.
    diagonal
        The weighted number of users who chose the new item.
    settings
        As in `add_items`.
    """
    into = _project(head, counts)
    penalized = diagonal / (1 - settings["dropout"]) + settings["regularization"]
    # The kept weights approximate P, so the variance is held above that of an item which others explain fully.
    variance = max(penalized - float(counts @ into), settings["regularization"])
    return into, into * head.variance / variance, variance


def _user_weights(choices: Ratings, exponent: float) -> Doubles:
    """Return the weight of each user: n to the power -exponent, scaled to a mean of 1 over choices."""
    counts = np.maximum(1, choices.user_counts).astype(np.float64)
    weights: Doubles = counts**-exponent
    return np.asarray(weights * (counts.sum() / max(1e-300, float(weights @ counts))))


def _project(head: WeightsHead, counts: Doubles) -> Doubles:
    """Return P c: the weights to a new item that no other new item explains, float64 (items,)."""
    scaled = counts / head.variance
    sums = np.add.reduceat(np.append(head.weights * scaled[head.targets], 0.0), head.indptr[:-1])
    sums[np.diff(head.indptr) == 0] = 0.0
    return np.asarray(scaled - sums)
