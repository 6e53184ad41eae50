"""Runs serial kernels side by side on threads.

Kernels release the GIL, so ordinary threads are enough. Numba's own parallel loops are not used: under its default
layer two fits at once abort the process, and its barriers stall when another program takes a core. The threads of BLAS
stall in the same way, so BLAS gets one thread while a fit runs.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import product
from math import ceil, inf
from pathlib import Path
from threading import Lock, get_ident
from typing import Any, Protocol, TypeVar

__all__ = ["Run", "available", "pool", "single_blas"]

Task = TypeVar("Task")
Result = TypeVar("Result")


class Run(Protocol):
    """Calls a function on every task and returns the results in the order of the tasks."""

    def __call__(self, function: Callable[[Task], Result], tasks: Iterable[Task]) -> list[Result]: ...  # noqa: D102


def available() -> int:
    """Return how many cores this process may use: the lesser of its affinity and the quota of its control groups."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        groups = Path("/proc/self/cgroup").read_text()
    except OSError:  # not Linux
        return cores
    quota = _quota(groups, Path("/sys/fs/cgroup"))
    return cores if quota == inf else max(1, min(cores, ceil(quota)))


def _quota(groups: str, root: Path) -> float:
    """Return the quota of a process in cores, infinity for none.

    Parameters
    ----------
    groups
        Its control groups: the text of /proc/self/cgroup.
    root
        Where the control groups are mounted.
    """
    quota = inf
    for line in groups.splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:  # version 2 has one tree
            trees = [root]
        elif "cpu" in controllers.split(","):  # version 1 has one tree for each controller
            trees = [root / "cpu", root / controllers]
        else:
            trees = []
        # The quotas of the parents count too. A container may see only the root.
        for tree, folder in product(trees, [Path(path), *Path(path).parents]):
            quota = min(quota, _group_quota(tree / folder.relative_to("/")))
    return quota


def _group_quota(group: Path) -> float:
    """Return the quota of one control group in cores, infinity for none."""
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
    """Open a pool of threads, by default one for each available core. The calling thread is one of them."""
    count = threads or available()
    if count == 1:
        yield lambda function, tasks: [function(task) for task in tasks]
        return
    with ThreadPoolExecutor(count - 1, thread_name_prefix="palate") as executor:
        yield lambda function, tasks: _run_shared(executor, count - 1, function, list(tasks))


# How many fits each thread is in, by the thread's identity, and what gives BLAS its threads back.
_fits: Counter[int] = Counter()
_limits: list[Any] = []
_blas_lock = Lock()


def _after_fork_in_child() -> None:
    """Forget the fits of threads that the child does not have."""
    for thread in set(_fits) - {get_ident()}:
        del _fits[thread]
    _blas_lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_blas_lock.acquire, after_in_parent=_blas_lock.release, after_in_child=_after_fork_in_child
    )


@contextmanager
def single_blas() -> Iterator[None]:
    """Limit BLAS to one thread within the context, for the whole process.

    The threads of BLAS wait for each other in busy loops: with another program on the cores a small QR decomposition
    took 30 times as long (measured). Fits share large products among the threads of `pool` instead.
    """
    from threadpoolctl import threadpool_limits

    thread = get_ident()
    with _blas_lock:
        if not _limits:
            _limits.append(threadpool_limits(1, user_api="blas"))
        _fits[thread] += 1
    try:
        yield
    finally:
        with _blas_lock:
            _fits[thread] -= 1
            if not _fits[thread]:
                del _fits[thread]
            if not _fits:
                _limits.pop().restore_original_limits()


def _run_shared(
    executor: ThreadPoolExecutor, helpers: int, function: Callable[[Task], Result], tasks: list[Task]
) -> list[Result]:
    """Run the tasks on the calling thread and on helpers; each thread takes the next task when it is done with one."""
    results: dict[int, Result] = {}
    remaining = iter(enumerate(tasks))

    def work() -> None:
        for number, task in remaining:
            results[number] = function(task)

    futures: list[Future[None]] = [executor.submit(work) for _ in range(min(helpers, len(tasks) - 1))]
    try:
        work()
    finally:
        for future in futures:
            future.result()
    return [results[number] for number in range(len(tasks))]
