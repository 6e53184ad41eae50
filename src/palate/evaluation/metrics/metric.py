"""What a metric is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from palate.evaluation.metrics.judged import Judged, Need

__all__ = ["Metric"]


@dataclass(frozen=True)
class Metric:
    """A number that says how well a model does on ratings that it has not seen.

    Parameters
    ----------
    name
        The key of the score, in Python and in JSON.
    title
        The heading of its column.
    function
        Returns the score.
    higher_is_better
        None where neither is better: a coverage should be equal to its level.
    needs
        A model that lacks one of these does not get this score.
    meaning
        What the title means, for people who read the table: it follows the title and a colon.
    form
        How the score is printed, as in `format`.
    power
        The score of a table is the mean, weighted by their rows, of this power of the scores of its parts, and of that
        the root.
    """

    name: str
    title: str
    function: Callable[[Judged], float]
    higher_is_better: bool | None
    needs: tuple[Need, ...] = ("prediction",)
    meaning: str = ""
    form: str = ".4f"
    power: int = 1

    def applies_to(self, judged: Judged) -> bool:
        """Return whether the model has what this metric needs."""
        return all(judged.offers(need) for need in self.needs)
