"""A fork waits until no thread compiles: a child would wait for ever for the locks of threads that it does not have."""

from __future__ import annotations

import os

from llvmlite.binding import ffi
from numba.core.compiler_lock import global_compiler_lock

__all__ = ["forks_wait_for_compilers"]


def forks_wait_for_compilers() -> None:
    """Hold the locks of Numba and LLVM while a process forks, and release them in both processes."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_acquire, after_in_parent=_release, after_in_child=_release)


def _acquire() -> None:
    # In the order in which Numba takes them.
    global_compiler_lock.acquire()
    ffi.lib._lock.__enter__()


def _release() -> None:
    ffi.lib._lock.__exit__(None, None, None)
    global_compiler_lock.release()
