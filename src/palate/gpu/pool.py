"""A pool of threads beside a card: the rows of a half-step are solved on the card, all else runs on the threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from palate.gpu.device import DeviceName, device_label, find_device
from palate.gpu.rows import DeviceRows
from palate.parallel import Run

__all__ = ["DevicePool", "with_device"]

Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True)
class DevicePool:
    """A pool that has a card.

    Attributes
    ----------
    run
        The pool of threads.
    rows
        Solves for rows on the card.
    """

    run: Run
    rows: DeviceRows

    def __call__(self, function: Callable[[Task], Result], tasks: Iterable[Task]) -> list[Result]:
        """Call a function on every task, on the threads."""
        return self.run(function, tasks)

    @property
    def label(self) -> str:
        """The name of the card."""
        return device_label(self.rows.device)


def with_device(run: Run, choice: DeviceName, products: float) -> Run:
    """Return the pool, with a card where a fit should use one: see `palate.gpu.device.find_device`.

    Parameters
    ----------
    run
        The pool of threads.
    choice
        What the setting `device` says.
    products
        About how many products of two numbers one step of the fit takes.
    """
    device = find_device(choice, products)
    return run if device is None else DevicePool(run, DeviceRows(device))
