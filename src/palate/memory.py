"""How much memory a piece of work takes at its worst."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

__all__ = ["watch"]

# By how many bytes a counter may be off: the kernel adds up the pages of each thread only now and then.
_SLACK = 4 << 20


def watch() -> Callable[[], int | None]:
    """Begin to watch this process; the function that is returned says by how many bytes it has grown at most since.

    Memory in use (resident pages) counts; what was there before does not. Watching reads two files of the kernel, at
    the beginning and at the end: there is no second process, and nothing happens while the work runs. Linux can start
    its record of the peak anew (``5`` written to ``/proc/self/clear_refs``); where that cannot be done, the answer is
    None rather than a guess. The record is one for the whole process, so only one piece of work can be watched at a
    time.

    Examples
    --------
    >>> grown = watch()
    >>> work = bytearray(50_000_000)
    >>> grown() is None or grown() > 40_000_000
    True
    """
    gc.collect()
    _give_back()
    before = _counters() if _restart() else {}
    if not before or before["VmHWM"] > before["VmRSS"] + _SLACK:  # the kernel took the 5 and did nothing
        return lambda: None
    return lambda: max(0, _counters()["VmHWM"] - before["VmRSS"])


def _give_back() -> None:
    # Memory that was freed, but that the allocator still holds, would be used again and would not count as growth.
    with suppress(AttributeError, OSError, TypeError):  # where this is not glibc
        ctypes.CDLL(None).malloc_trim(0)


def _restart() -> bool:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _counters() -> dict[str, int]:
    """The peak (VmHWM) and the present (VmRSS) in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return {line.split(":")[0]: int(line.split()[1]) << 10 for line in lines if line.startswith(("VmHWM", "VmRSS"))}
