"""Running serial kernels side by side.

Kernels release the GIL, so ordinary threads are enough. Numba's own parallel loops are not used: under its default
layer two fits at once abort the process, and its barriers stall when another program takes a core. BLAS has the same
fault, so it gets one thread while a fit runs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import product
from math import ceil, inf
from pathlib import Path
from threading import Lock
from typing import Any, Protocol, TypeVar

__all__ = ["Run", "available", "pool", "single_blas"]

Task = TypeVar("Task")
Result = TypeVar("Result")


class Run(Protocol):
    """Calls a function on every task and returns the results in the order of the tasks."""

    def __call__(self, function: Callable[[Task], Result], tasks: Iterable[Task]) -> list[Result]: ...  # noqa: D102


def available() -> int:
    """Return how many cores this process may use: by its affinity, and by the quota of its control groups."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        groups = Path("/proc/self/cgroup").read_text()
    except OSError:  # no Linux
        return cores
    quota = _quota(groups, Path("/sys/fs/cgroup"))
    return cores if quota == inf else max(1, min(cores, ceil(quota)))


def _quota(groups: str, root: Path) -> float:
    """Return how many cores' time the control groups of a process leave it, as /proc/self/cgroup names them."""
    least = inf
    for line in groups.splitlines():
        _, controllers, place = line.split(":", 2)
        # Version 2 has one tree without names; version 1 one for each controller. A container may see only the root.
        trees = (
            [root] if not controllers else [root / "cpu", root / controllers] if "cpu" in controllers.split(",") else []
        )
        for tree, folder in product(trees, [Path(place), *Path(place).parents]):
            least = min(least, _share_of(tree / folder.relative_to("/")))
    return least


def _share_of(group: Path) -> float:
    try:
        if (limit := group / "cpu.max").exists():
            quota, period = limit.read_text().split()
        else:
            quota, period = ((group / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return inf if float(quota) <= 0 else float(quota) / float(period)
    except (OSError, ValueError):  # no such group here, or "max"
        return inf


@contextmanager
def pool(threads: int | None = None) -> Iterator[Run]:
    """Open a pool of threads, by default one for each available core."""
    count = threads or available()
    if count == 1:
        yield lambda function, tasks: [function(task) for task in tasks]
        return
    # The calling thread works too.
    with ThreadPoolExecutor(count - 1, thread_name_prefix="palate") as executor:
        yield lambda function, tasks: _share(executor, count - 1, function, list(tasks))


_blas: dict[str, Any] = {"fits": 0, "limit": None}
_blas_lock = Lock()


@contextmanager
def single_blas() -> Iterator[None]:
    """Keep BLAS to one thread inside, for all threads of this process.

    Its own threads wait for each other in busy loops: with another program on the cores a small QR took 30 times as
    long (measured). What is worth sharing out is shared by `pool`.
    """
    from threadpoolctl import threadpool_limits

    with _blas_lock:
        if not _blas["fits"]:
            _blas["limit"] = threadpool_limits(1, user_api="blas")
        _blas["fits"] += 1
    try:
        yield
    finally:
        with _blas_lock:
            _blas["fits"] -= 1
            if not _blas["fits"]:
                _blas["limit"].restore_original_limits()


def _share(
    executor: ThreadPoolExecutor, helpers: int, function: Callable[[Task], Result], tasks: list[Task]
) -> list[Result]:
    # Each thread takes the next task when it is done with one: a late thread costs one task, and a round one hand-over.
    results: dict[int, Result] = {}
    following = iter(enumerate(tasks))

    def work() -> None:
        for number, task in following:
            results[number] = function(task)

    waiting: list[Future[None]] = [executor.submit(work) for _ in range(min(helpers, len(tasks) - 1))]
    try:
        work()
    finally:
        for future in waiting:
            future.result()
    return [results[number] for number in range(len(tasks))]
