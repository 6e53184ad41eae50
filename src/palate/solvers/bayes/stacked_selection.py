"""Selects the combinations of parts that a small table's predictions are averaged over, and their shares.

Few held-out ratings do not tell combinations apart. So combinations are averaged, with the shares that predict held-out
ratings best. Each combination has a chain of its own: a fork of a chain with other parts takes hundreds of sweeps to
settle on such a table. One or two folds are held out in turn, more of a tiny table, and combinations that are probably
worse than the best one are not judged again. Chains are short, since they start from least squares.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from palate.errors import DataError
from palate.solvers.bayes.calibration import calibrate, unknown_excess
from palate.solvers.bayes.combinations import (
    Combination,
    Member,
    PartSelection,
    candidates,
    describe_members,
    stacking_shares,
)
from palate.solvers.bayes.pilot_chains import PilotChains, PilotInterrupted, Pilots

__all__ = ["select_members"]

# Combinations are judged on two folds, or on one where this many ratings are held out by it.
_ENOUGH_TO_COMPARE = 8_000
# So many held-out ratings say how wide intervals must be.
_ENOUGH_TO_CALIBRATE = 1_000
# A combination without a share that is worse than the best one by this many standard errors is not judged again.
_HOPELESS = 1.5
# The bound of a chain's noise, as a share of the noise of its pilots.
_NOISE_SHARE = 0.85


def select_members(
    fixed: Mapping[str, bool | None], folds: Iterator[PilotChains], *, bound_noise: bool
) -> PartSelection:
    """Judge combinations, and return the best average of them.

    Parameters
    ----------
    fixed
        For each field of `ModelParts` True, False, or None if it is free.
    folds
        Pilots that have not been run.
    bound_noise
        Whether to keep the noise of the fit from falling far below that of the pilots.
    """
    search = _Search(candidates(fixed))
    for fold in folds:
        search.judge(fold)
        if search.is_over:
            break
    return search.selection(bound_noise)


@dataclass
class _Search:
    """The combinations that are still judged."""

    prior: Mapping[Combination, float]
    folds: list[PilotChains] = field(default_factory=list)
    is_cut_short: bool = False
    sweeps: int = 0

    def __post_init__(self) -> None:
        self.combinations, self.judged = list(self.prior), list[Combination]()
        self.plain = self.combinations[0]

    def judge(self, fold: PilotChains) -> None:
        """Judge the combinations on one more fold."""
        try:
            for combination in self.combinations:
                # Where float32 is not precise enough for some parts, there is no score.
                with suppress(DataError):
                    fold.judge_alone(combination)
        except PilotInterrupted:
            self.is_cut_short = True
        scores = fold.scores
        scored = [one for one in self.combinations if one in scores and scores[one].is_complete]
        self.sweeps += fold.sweeps
        if self.is_cut_short and self.folds:  # the decision of the earlier folds stands
            return
        self.folds.append(fold)
        self.judged = scored
        if not scored:
            self.is_cut_short = True
            return
        best = min(scored, key=self.pilots.rmse)
        gains = [self.pilots.gain(combination, best) for combination in scored]
        self.combinations = [
            combination
            for combination, share, gain in zip(scored, self._shares(), gains, strict=True)
            if share > 0 or gain.share <= _HOPELESS * gain.error
        ]

    @property
    def is_over(self) -> bool:
        """Whether no further fold is to be judged."""
        rows = self.pilots.rows
        is_clear = len(self.combinations) == 1 or len(self.folds) > 1 or rows >= _ENOUGH_TO_COMPARE
        return self.is_cut_short or (is_clear and rows >= _ENOUGH_TO_CALIBRATE)

    @property
    def pilots(self) -> Pilots:
        return Pilots(self.folds)

    def _shares(self) -> list[float]:
        """Return the shares of the combinations that were judged on all folds."""
        products = self.pilots.products(self.judged)
        prior = np.array([self.prior[combination] for combination in self.judged])
        return [float(share) for share in stacking_shares(products, prior, self.pilots.rows)]

    def selection(self, bound_noise: bool) -> PartSelection:
        """Return the members with their shares."""
        if not self.judged:
            record = f"no time to judge all parts: {self.plain.describe()} was not judged"
            return PartSelection((Member(self.plain),), (record,), sweeps=self.sweeps)
        bound = _NOISE_SHARE if bound_noise else 0.0
        members = [
            Member(combination, share, bound * self.pilots.noise(combination))
            for combination, share in zip(self.judged, self._shares(), strict=True)
            if share > 0
        ]
        members.sort(key=lambda member: -member.share)
        residuals = self.pilots.residuals(
            [member.combination for member in members], [member.share for member in members]
        )
        users, items = (unknown_excess(residuals, is_unknown) for is_unknown in self.pilots.unknown())
        records = tuple(self._records(members))
        return PartSelection(tuple(members), records, calibrate(residuals), self.sweeps, (users, items))

    def _records(self, members: Sequence[Member]) -> Iterator[str]:
        """Yield a sentence about the average, and one about the best and the worst combination in the place of it."""
        pilots = self.pilots
        if len(self.judged) > 1:
            shares = np.array([member.share for member in members])
            products = pilots.products([member.combination for member in members])
            rmse = self.folds[0].spread * float(np.sqrt(max(0.0, shares @ products @ shares)))
            average = "the model is an average: " if len(members) > 1 else ""
            yield f"{average}{describe_members(members)}: RMSE {rmse:.4f} on {pilots.rows:,} validation ratings"
            best, worst = (pick(self.judged, key=pilots.rmse) for pick in (min, max))
            yield (
                f"each of the {len(self.judged)} tried alone: RMSE from {pilots.rmse(best):.4f} ({best.describe()}) "
                f"to {pilots.rmse(worst):.4f} ({worst.describe()})"
            )
        if self.is_cut_short:
            yield f"no time to judge all parts: {describe_members(members)} is the best of {len(self.judged)} tried"
