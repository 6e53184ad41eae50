"""Stochastic gradient descent in mini-batches on a graphics card."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.gpu.device import repeatable_sums, with_room

__all__ = ["descend_in_batches"]

Floats = NDArray[np.float32]
Integers = NDArray[np.integer[Any]]


def descend_in_batches(
    device: Any, user: Integers, item: Integers, rating: Floats, order: Integers, batch: int,
    p: Floats, q: Floats, user_bias: Floats, item_bias: Floats, rate: np.float32, decay: np.float32, biased: bool,
) -> float:  # fmt: skip
    """Make one step for each batch on a card; the parameters change in place.

    All arguments but the card are those of `palate.kernels.sgd.descend_in_batches`, whose result this is up to the
    order of sums.

    Raises
    ------
    SettingsError
        If the ratings and the parameters do not fit into the memory of the card.
    """
    columns, parameters = (user[order], item[order], rating[order]), (p, q, user_bias, item_bias)

    def work() -> float:
        return _descend(device, columns, parameters, batch, (float(rate), float(decay)), biased)

    return with_room(work, lambda: False)


def _descend(
    device: Any,
    columns: tuple[Integers, Integers, Floats],
    parameters: tuple[Floats, ...],
    batch: int,
    rates: tuple[float, float],
    biased: bool,
) -> float:
    import torch

    user, item, rating = (torch.split(torch.from_numpy(column).to(device), batch) for column in columns)
    p, q, user_bias, item_bias = (torch.tensor(part, device=device) for part in parameters)
    squares = torch.zeros((), dtype=torch.float64, device=device)
    (rate, decay) = rates
    with torch.no_grad(), repeatable_sums():
        for u, i, values in zip(user, item, rating, strict=True):
            x, y, of_user, of_item = p[u], q[i], user_bias[u], item_bias[i]
            errors = values - of_user - of_item - (x * y).sum(dim=1)
            squares += errors.double().square().sum()
            steps, shrinkage = errors * (rate / len(u)), (1 - decay) / len(u)
            p.index_add_(0, u, steps[:, None] * y - shrinkage * x)
            q.index_add_(0, i, steps[:, None] * x - shrinkage * y)
            if biased:
                user_bias.index_add_(0, u, steps - shrinkage * of_user)
                item_bias.index_add_(0, i, steps - shrinkage * of_item)
    for array, tensor in zip(parameters, (p, q, user_bias, item_bias), strict=True):
        array[:] = tensor.cpu().numpy()
    return float(squares)
