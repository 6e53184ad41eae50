"""Combinations of parts, and the shares of several in an average."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from palate.solvers.bayes.state import ModelParts

__all__ = [
    "Combination",
    "Member",
    "PartSelection",
    "candidates",
    "describe_members",
    "stacking_shares",
]

Doubles = NDArray[np.float64]

# The largest number of combinations in an average.
_MOST_MEMBERS = 3
# A combination with a smaller share is left out: its chain would take as long as the others.
_LEAST_SHARE = 0.1
# How strongly shares are drawn towards those of `candidates`: the weight of a squared distance, in mean squared errors
# of one rating.
_SHRINKAGE = 100.0
# The least share of the members with a part for which it is on in a single chain.
_SHARE_OF_PARTS = 1 / 3


class Combination(NamedTuple):
    """A model that pilots judge.

    Attributes
    ----------
    parts
        The parts that are on.
    has_factors
        False for biases alone, the strongest shrinkage of all factors.
    """

    parts: ModelParts
    has_factors: bool = True

    def describe(self) -> str:
        """Return the names of the parts that are on."""
        return self.parts.describe() if self.has_factors else "biases only"


class Member(NamedTuple):
    """A combination in an average.

    Attributes
    ----------
    combination
        What it is.
    share
        Its weight; the weights of all members have the sum 1.
    least_noise
        See `palate.solvers.bayes.chain.Chain`.
    """

    combination: Combination
    share: float = 1.0
    least_noise: float = 0.0

    def plain(self) -> list[object]:
        """Return the member as plain values, for a checkpoint."""
        return [list(self.combination.parts), self.combination.has_factors, self.share, self.least_noise]

    @classmethod
    def restored(cls, parts: Sequence[bool], has_factors: bool, share: float, least_noise: float) -> Member:
        """Return the member from whose plain values these come."""
        return cls(Combination(ModelParts(*parts), has_factors), share, least_noise)


@dataclass(frozen=True)
class PartSelection:
    """The outcome of the pilots.

    Attributes
    ----------
    members
        The combinations to average; one alone on a table that is not small.
    records
        A sentence about each decision, for people.
    calibration
        float32, ascending: equally spaced quantiles of the sizes of standardized errors. A standardized error is the
        error of the selected members on a held-out rating, divided by its predicted standard deviation (from the
        spread of the prediction over the draws, and the noise). Empty without pilots.
    sweeps
        The number of sweeps of all pilots.
    unknown
        Factors of the variance of users and of items without ratings: see `palate.solvers.bayes.calibration`.
    """

    members: tuple[Member, ...]
    records: tuple[str, ...] = ()
    calibration: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    sweeps: int = 0
    unknown: tuple[float, float] = (1.0, 1.0)

    @property
    def parts(self) -> ModelParts:
        """The parts that are on in members with a third of the shares together, for a single chain.

        A part that does not help has small weights: it does less harm where it is on than good where it is missing.
        """
        shares = {
            name: sum(member.share for member in self.members if getattr(member.combination.parts, name))
            for name in ModelParts._fields
        }
        return ModelParts(**{name: share >= _SHARE_OF_PARTS for name, share in shares.items()})

    def plain(self) -> dict[str, Any]:
        """Return the selection as plain values, for a checkpoint."""
        return {
            "members": [member.plain() for member in self.members],
            "records": list(self.records),
            "calibration": self.calibration.tolist(),
            "sweeps": self.sweeps,
            "unknown": list(self.unknown),
        }

    @classmethod
    def restored(cls, plain: Mapping[str, Any]) -> Self:
        """Return the selection from which `plain` was made."""
        calibration = np.array(plain["calibration"], np.float32)
        members = tuple(Member.restored(*member) for member in plain["members"])
        return cls(members, tuple(plain["records"]), calibration, plain["sweeps"], tuple(plain["unknown"]))


def describe_members(members: Sequence[Member]) -> str:
    """Return the parts of the members, with their shares if there are several.

    Examples
    --------
    >>> plain, noise = (Combination(ModelParts(on, on, False, False)) for on in (False, True))
    >>> describe_members([Member(plain)])
    'plain'
    >>> describe_members([Member(noise, 0.7), Member(plain, 0.3)])
    '70% user noise, item noise + 30% plain'
    """
    if len(members) == 1:
        return members[0].combination.describe()
    return " + ".join(f"{100 * member.share:.0f}% {member.combination.describe()}" for member in members)


def candidates(fixed: Mapping[str, bool | None]) -> dict[Combination, float]:
    """Return the combinations to judge, each with the share that it has before any rating was held out.

    They are the plain model (with the fixed parts alone), all free parts, all but those of one kind, all but the sets
    of users, and biases only. A kind is what names of parts end with, such as "sets". The set of a user with few
    ratings says little, and item sets help without it. All free parts and all but the sets of users have equal shares
    before: this average was the best on sub-samples of public tables with two to ten ratings a user.

    Parameters
    ----------
    fixed
        For each field of `ModelParts` True, False, or None if it is free.
    """
    free = [name for name, is_on in fixed.items() if is_on is None]
    plain = ModelParts(**{name: bool(is_on) for name, is_on in fixed.items()})
    everything = plain._replace(**dict.fromkeys(free, True))
    kinds = sorted({name.rsplit("_", 1)[-1] for name in free})
    groups = [[name for name in free if name.endswith(kind)] for kind in kinds]
    groups.append([name for name in free if name == "user_sets"])
    without = [everything._replace(**dict.fromkeys(names, False)) for names in groups]
    combined = [Combination(parts) for parts in dict.fromkeys([plain, everything, *without])]
    if not free:
        return dict.fromkeys(combined, 1.0)
    likely = {Combination(everything), Combination(without[-1])}
    return {one: (one in likely) / len(likely) for one in [*combined, Combination(plain, has_factors=False)]}


def stacking_shares(products: Doubles, prior: Doubles, rows: int) -> Doubles:
    r"""Return the shares of at most three candidates in an average that predicts held-out ratings well.

    The shares s are none below 0.1 and have the sum 1. They minimize :math:`s' P s + c |s - s_0|^2`, where P are the
    mean products of errors (Yao, Vehtari, Simpson, Gelman 2018, "Using stacking to average Bayesian predictive
    distributions", for squared error). The ridge c is 100 mean squared errors, divided by the number of ratings. It
    draws the shares towards :math:`s_0`, the more, the fewer ratings there are to tell candidates apart. All sets of
    at most three candidates are tried.

    Parameters
    ----------
    products
        float64 (candidates, candidates): the mean products of the errors of two candidates.
    prior
        float64 (candidates,): the shares :math:`s_0` before any rating was held out.
    rows
        The number of held-out ratings.

    Examples
    --------
    >>> equal = np.full(3, 1 / 3)
    >>> stacking_shares(np.diag([1.0, 2.0, 81.0]), equal, 10**6).round(2).tolist()
    [0.67, 0.33, 0.0]
    >>> stacking_shares(np.diag([1.0, 2.0, 81.0]), equal, 1000).round(2).tolist()
    [0.56, 0.44, 0.0]
    """
    count = len(products)
    ridge = _SHRINKAGE * float(np.diag(products).mean()) / rows
    best, least = prior, np.inf
    for size in range(1, min(_MOST_MEMBERS, count) + 1):
        for subset in map(list, combinations(range(count), size)):
            system = np.ones((size + 1, size + 1))
            system[:size, :size] = products[np.ix_(subset, subset)] + ridge * np.eye(size)
            system[size, size] = 0
            shares = np.zeros(count)
            shares[subset] = np.linalg.lstsq(system, np.append(ridge * prior[subset], 1.0), rcond=None)[0][:size]
            error = float(shares @ products @ shares + ridge * np.square(shares - prior).sum())
            if (size == 1 or shares[subset].min() >= _LEAST_SHARE) and error < least:
                best, least = shares / shares.sum(), error
    return best
