"""A half-step on executors."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.errors import SettingsError
from palate.spark.cluster import Cluster, Side
from palate.spark.row_work import SolveChoices, SolveRatings

__all__ = ["half_step"]


def half_step(
    cluster: Cluster, side: Side, rows: NDArray[np.float32], work: SolveRatings | SolveChoices
) -> list[dict[str, Any]]:
    """Solve for the rows of a side on the executors and put them into `rows`; return the results of the parts.

    Raises
    ------
    SettingsError
        If the equations of a row have no solution.
    """
    out = cluster.output(rows.shape)
    results = cluster.run(side, dataclasses.replace(work, out=out))
    if max(result["failed"] for result in results) >= 0:
        raise SettingsError(
            "the regularization is too weak for these ratings: float32 is not precise enough to solve their "
            "equations; raise regularization (--regularization)"
        )
    if out is not None:
        out.read_into(rows)
        cluster.forget(out)
    else:
        np.concatenate([result.pop("rows") for result in results], out=rows)
    return results
