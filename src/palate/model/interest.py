r"""Interest: how likely a user chooses an item and likes it, the order of a list.

The choice head says what a user would choose at all, the predicted rating and its deviation say how likely the user
then likes it. The product of both ranks better than either: the best-liked items are often ones that nobody chooses,
and the items that are chosen most are not all liked.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["LEAST_CHOICE", "InterestRule", "like_chance"]

#: Choice scores below this count as this: where a user chooses next to nothing, liking alone decides.
LEAST_CHOICE = 1e-6

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class InterestRule:
    r"""How the two heads are combined: :math:`\max(c_{ui}, \epsilon) \cdot P(r_{ui} \ge t)^w`.

    Attributes
    ----------
    liked
        t: a rating above which people like an item, between two values of the scale.
    power
        w, at least 0: what liking counts beside choosing. It was chosen on held-out lists.
    deviation
        The deviation of ratings around predictions, for models that do not estimate one; in rating points.
    """

    liked: float
    power: float
    deviation: float = 1.0

    def combine(self, choice: NDArray[Any], liking: NDArray[Any]) -> NDArray[np.float32]:
        """Return the interest: float32, in the shape of both arguments."""
        weight = np.sqrt(liking) if self.power == 0.5 else liking if self.power == 1 else liking**self.power
        return np.asarray(np.maximum(choice, LEAST_CHOICE) * weight, np.float32)

    def as_dict(self) -> dict[str, float]:
        """Return the rule as plain values."""
        return asdict(self)


def like_chance(prediction: NDArray[Any], deviation: NDArray[Any], liked: float) -> Doubles:
    r"""Return the probability that a rating is at least `liked`: :math:`\Phi((\hat r - t) / \sigma)`.

    Parameters
    ----------
    prediction, deviation
        Of one shape, in rating points; predictions are not clipped.
    liked
        t.

    Returns
    -------
    ndarray
        float64, in the shape of the arguments.

    Examples
    --------
    >>> like_chance(np.array([3.5, 4.5]), np.array([1.0, 1.0]), 3.5).round(4)
    array([0.5   , 0.8413])
    """
    from scipy.special import ndtr

    return np.asarray(ndtr((np.asarray(prediction, np.float64) - liked) / deviation))
