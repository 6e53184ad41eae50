"""The settings of implicit ALS, chosen by lists of held-out choices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from palate.model import Model
from palate.model.choice import FactorsHead
from palate.parallel import Run
from palate.ratings import Ratings
from palate.solvers.held_out_lists import HeldOutLists
from palate.solvers.implicit.settings import ImplicitALS

__all__ = ["FEW_RATINGS", "PILOT_SWEEPS", "choose_settings", "head_of"]

#: Regularization and weight of unobserved pairs where nothing can be held out.
FEW_RATINGS = {"regularization": 0.01, "unobserved": 0.1}
#: Sweeps of a trial fit.
PILOT_SWEEPS = 4
# Where the search begins, the factor by which a setting is moved, and how often.
_FIRST, _STEP, _MOST_STEPS = {"unobserved": 0.1, "regularization": 0.03}, 3.0, 2


def choose_settings(
    lists: HeldOutLists, solver: ImplicitALS, fit: Callable[[ImplicitALS, Ratings], Model], run: Run
) -> tuple[ImplicitALS, dict[str, float]]:
    """Choose what the solver leaves open, regularization or the weight of unobserved pairs, by NDCG@10.

    Each is multiplied and divided by 3 while that is better, first the weight.

    Parameters
    ----------
    lists
        What is judged on.
    solver
        Settings that are not None stay.
    fit
        Fits a solver to a table in which every id has a rating.
    run
        Calls a function on tasks, in threads.

    Returns
    -------
    tuple
        The solver with all settings, and the NDCG@10 of what was tried.
    """
    tried: dict[tuple[float, float], float] = {}
    compact = lists.train.compact()

    def judge(candidate: ImplicitALS) -> float:
        assert candidate.regularization is not None
        assert candidate.unobserved is not None
        key = candidate.regularization, candidate.unobserved
        if key not in tried:
            pilot = fit(replace(candidate, sweeps=min(candidate.sweeps, PILOT_SWEEPS)), compact)
            head = head_of(pilot, lists.train)
            scores = lists.ndcg(lambda users: [head.user_scores(users, lists.train.by_user)], run)
            tried[key] = float(scores.mean())
        return tried[key]

    names = [name for name in _FIRST if getattr(solver, name) is None]
    best = replace(solver, **{name: _FIRST[name] for name in names})  # type: ignore[arg-type]
    judge(best)
    for name in names:
        for factor in (_STEP, 1 / _STEP):
            for _ in range(_MOST_STEPS):
                other = replace(best, **{name: float(f"{getattr(best, name) * factor:.1g}")})  # type: ignore[arg-type]
                if judge(other) <= judge(best):
                    break
                best = other
    return best, {f"{regularization:g}, {unobserved:g}": ndcg for (regularization, unobserved), ndcg in tried.items()}


def head_of(model: Model, table: Ratings) -> FactorsHead:
    """Return the factors of a model as a head for a table, with rows of zeros for ids that the model does not know."""
    sides = []
    for factors, part, vocabulary in (
        (model.user_factors, model.users, table.users),
        (model.item_factors, model.items, table.items),
    ):
        places = part.index(vocabulary.ids)
        sides.append(np.where(places[:, None] >= 0, factors[places], np.float32(0)))
    return FactorsHead(sides[0], sides[1], model.penalty)
