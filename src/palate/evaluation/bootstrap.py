"""Which of several recommenders is better, and how sure that is: the same users, drawn again and again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.errors import SettingsError
from palate.evaluation.lists.evaluate import ListEvaluation

__all__ = ["PairedDifference", "compare_lists", "compare_users", "holm", "paired_bootstrap"]

Doubles = NDArray[np.float64]

# Numbers that are drawn at once: 32 MiB.
_DRAWN = 1 << 22
# Beyond this number of users, random groups of them are drawn: the mean varies alike, in a part of the time.
_GROUPS = 20_000


@dataclass(frozen=True)
class PairedDifference:
    """How far one recommender is from another one on the same users.

    Attributes
    ----------
    name, reference
        The two.
    difference
        The mean over users of the value of `name` minus that of `reference`.
    error
        Its standard error: the standard deviation over the draws.
    low, high
        The ends of its interval.
    p_value
        Of both sides: how often a mean that is as far off occurs if there is no difference. Corrected where several
        recommenders are compared.
    users
        How many users have a value for both.
    """

    name: str
    reference: str
    difference: float
    error: float
    low: float
    high: float
    p_value: float
    users: int

    def __str__(self) -> str:
        ends = f"{self.low:+.4f} to {self.high:+.4f}"
        return f"{self.name} to {self.reference}: {self.difference:+.4f} ({ends}), p {self.p_value:.3g}"

    def as_dict(self) -> dict[str, Any]:
        """Return the difference as plain values."""
        return dict(vars(self))


def paired_bootstrap(
    differences: Doubles, *, resamples: int = 2000, level: float = 0.95, seed: int = 0
) -> tuple[float, float, float, float]:
    """Draw users with replacement, and look how the mean difference varies.

    Parameters
    ----------
    differences
        (users,): the value with one recommender minus that with the other one, for the same user.
    resamples
        How often as many users as there are are drawn.
    level
        The share of the draws between the ends of the interval.
    seed
        Of the draws: equal numbers of users are drawn alike for all differences.

    Returns
    -------
    tuple
        The standard error, the ends of the percentile interval, and the p value of both sides: twice the share of the
        draws whose mean is on the other side of zero, or on zero, at least 1 / (resamples + 1) (Efron, Tibshirani 1993,
        "An introduction to the bootstrap", chapters 13 and 15).

    Raises
    ------
    SettingsError
        If there are fewer than two users.

    Examples
    --------
    >>> error, low, high, p = paired_bootstrap(np.array([0.1, 0.3, 0.2, 0.2]))
    >>> 0.1 <= low < high <= 0.3, p < 0.01
    (True, True)
    """
    users = len(differences)
    if users < 2:
        raise SettingsError(f"at least two users are needed to compare recommenders, not {users}")
    rng, means = np.random.default_rng(seed), np.empty(resamples)
    if users > _GROUPS:
        starts = np.arange(_GROUPS) * users // _GROUPS
        sums = np.add.reduceat(rng.permutation(differences), starts)
        differences, users = sums * (_GROUPS / users), _GROUPS
    step = max(1, _DRAWN // users)
    for start in range(0, resamples, step):
        part = means[start : start + step]
        part[:] = differences[rng.integers(0, users, (len(part), users), np.int32)].mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    fewer = min((means <= 0).sum(), (means >= 0).sum())
    p_value = min(1.0, 2 * (1 + int(fewer)) / (resamples + 1))
    return float(means.std(ddof=1)), float(low), float(high), p_value


def holm(p_values: Sequence[float]) -> Doubles:
    """Correct p values for the number of comparisons (Holm 1979).

    The smallest of m is multiplied by m, the next one by m - 1, and so on; none gets smaller than the one before. The
    chance that any of the true null hypotheses is rejected at a level stays at or below the level.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    array([0.03, 0.06, 0.06])
    """
    values = np.asarray(p_values, np.float64)
    order = np.argsort(values, kind="stable")
    corrected = np.empty(len(values))
    corrected[order] = np.minimum(1, np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1)))
    return corrected


def compare_lists(
    evaluations: Mapping[str, ListEvaluation],
    metric: str = "ndcg@10",
    *,
    reference: str | None = None,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[PairedDifference, ...]:
    """Compare recommenders that were judged on the same split, by a bootstrap over its users.

    Differences are paired: user by user, so that what is hard for all cancels. P values are corrected after Holm. The
    intervals hold all of the true differences at once with the given chance (Bonferroni).

    Parameters
    ----------
    evaluations
        By name, all of the same training and test part.
    metric
        One that has a value for each user.
    reference
        The name that the others are compared to, by default the one with the best mean.
    resamples, level, seed
        See `paired_bootstrap`.

    Returns
    -------
    tuple
        One for each other recommender, the best first.

    Raises
    ------
    SettingsError
        If there is nothing to compare, the users differ, or the metric was not computed or has no value for each user.

    Examples
    --------
    >>> from palate import datasets, holdout
    >>> from palate.evaluation.lists import evaluate_lists, popularity
    >>> train, test = holdout(datasets.make_ratings(users=200, items=50, ratings=4000, seed=1), 0.2)
    >>> result = evaluate_lists(popularity(train), train, test)
    >>> compare_lists(result.baselines, reference="random")[0].difference > 0
    True
    """
    if len(evaluations) < 2:
        raise SettingsError("there must be at least two recommenders to compare")
    if reference is not None and reference not in evaluations:
        raise SettingsError(f"the reference {reference!r} is not compared: choose from {', '.join(evaluations)}")
    for name, evaluation in evaluations.items():
        if metric not in evaluation.values:
            raise SettingsError(f"{metric} has no values of users for {name!r}: judge it with metrics=[{metric!r}]")
        if not np.array_equal(evaluation.task.users, next(iter(evaluations.values())).task.users):
            raise SettingsError(f"{name!r} and {next(iter(evaluations))!r} were not judged on the same users")
    values = {name: evaluation.values[metric] for name, evaluation in evaluations.items()}
    return compare_users(values, reference=reference, resamples=resamples, level=level, seed=seed)


def compare_users(
    values: Mapping[str, Doubles],
    *,
    reference: str | None = None,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[PairedDifference, ...]:
    """Compare recommenders by a value of each user: see `compare_lists`.

    Parameters
    ----------
    values
        By name: float64, (users,), the same users in the same order; NaN where a user has no value.
    reference, resamples, level, seed
        See `compare_lists`.

    Raises
    ------
    SettingsError
        If fewer than two users have a value.
    """
    ranked = sorted(values, key=lambda name: -float(np.nanmean(values[name])))
    base = reference or ranked[0]
    others = [name for name in ranked if name != base]
    results = []
    for name in others:
        differences = values[name] - values[base]
        known = differences[~np.isnan(differences)]
        error, low, high, p_value = paired_bootstrap(
            known, resamples=resamples, level=1 - (1 - level) / len(others), seed=seed
        )
        results.append(PairedDifference(name, base, float(known.mean()), error, low, high, p_value, len(known)))
    corrected = holm([one.p_value for one in results])
    return tuple(replace(one, p_value=float(p)) for one, p in zip(results, corrected, strict=True))
