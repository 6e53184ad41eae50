"""The chains whose draws are averaged, side by side: one for each combination of parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import sqrt
from typing import Any

from palate.parallel import Run
from palate.solvers.bayes.chain import Chain
from palate.solvers.bayes.combinations import Member, describe_members
from palate.solvers.bayes.start import start_from_als
from palate.solvers.bayes.state import ModelParts
from palate.solvers.feature_rows import FeatureRows

__all__ = ["ChainMixture"]


class ChainMixture:
    """Chains over one table that are swept by turns.

    Parameters
    ----------
    members
        The combinations, and their shares in the average.
    size
        The number of ratings.
    make_chain
        Makes the chain of a combination: called with whether it has factors, and its parts.
    run
        A pool.
    """

    def __init__(
        self, members: Sequence[Member], size: int, make_chain: Callable[[bool, ModelParts], Chain], run: Run
    ) -> None:
        self.members, self.size, self.run = members, size, run
        self.shares = [member.share for member in members]
        self.chains: list[Chain] = []
        for member in members:
            parts, has_factors = member.combination
            chain = make_chain(has_factors, parts)
            chain.least_noise = member.least_noise
            self.chains.append(chain)

    @property
    def sweeps(self) -> int:
        """How often each chain has been swept."""
        return self.chains[0].sweeps

    @property
    def has_sets(self) -> tuple[bool, bool]:
        """Whether users, and items, have rated sets in some chain."""
        return any(chain.parts.user_sets for chain in self.chains), any(chain.parts.item_sets for chain in self.chains)

    @property
    def features(self) -> tuple[FeatureRows | None, FeatureRows | None]:
        """The attributes of users, and of items, that some chain learns from."""
        users = (chain.users.features for chain in self.chains if chain.users.features is not None)
        items = (chain.items.features for chain in self.chains if chain.items.features is not None)
        return next(users, None), next(items, None)

    def describe(self) -> str:
        """Return the parts, and the shares if there are several chains."""
        return describe_members(self.members)

    def start(self) -> None:
        """Give all chains their first state."""
        for chain in self.chains:
            start_from_als(chain.users, chain.items, self.run)

    def sweep(self) -> None:
        """Sweep each chain once."""
        for chain in self.chains:
            chain.sweep()

    def training_rmse(self) -> float:
        """Return the RMSE of the draws on the standardized ratings."""
        squares = sum(share * chain.squares for share, chain in zip(self.shares, self.chains, strict=True))
        return sqrt(squares / self.size)

    def scales(self) -> list[float]:
        """Return three numbers of each chain: the precisions of the noise and of both sides' set weights."""
        return [
            scale
            for chain in self.chains
            for scale in (chain.precision, chain.users.sets_precision, chain.items.sets_precision)
        ]

    def state(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Return all arrays, by name and number of the chain, and the numbers of each chain."""
        arrays: dict[str, Any] = {}
        numbers = []
        for place, chain in enumerate(self.chains):
            chain_arrays, chain_numbers = chain.state()
            arrays |= {f"chain{place}.{name}": array for name, array in chain_arrays.items()}
            numbers.append(chain_numbers)
        return arrays, numbers

    def restore(self, arrays: dict[str, Any], numbers: Sequence[dict[str, Any]]) -> None:
        """Set what `state` returned."""
        for place, (chain, chain_numbers) in enumerate(zip(self.chains, numbers, strict=True)):
            prefix = f"chain{place}."
            names = [name for name in arrays if name.startswith(prefix)]
            chain.restore({name.removeprefix(prefix): arrays[name] for name in names}, chain_numbers)
