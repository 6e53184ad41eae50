"""A fork waits until no other thread imports a module: the child could never import that module.

Python gives a forked process the locks of all imports, but not the threads that would release them.
"""

from __future__ import annotations

import os
import threading
import time
from importlib import _bootstrap

__all__: list[str] = []

# An import that takes longer waits for something itself, perhaps for the thread that forks.
_LONGEST_WAIT = 20.0
_LOOK = 0.002


def _wait_for_imports() -> None:
    deadline, thread = time.monotonic() + _LONGEST_WAIT, threading.get_ident()
    while time.monotonic() < deadline:
        locks = [reference() for reference in list(getattr(_bootstrap, "_module_locks", {}).values())]
        if all(getattr(lock, "owner", None) in (None, thread) for lock in locks):
            return
        time.sleep(_LOOK)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_wait_for_imports)
