"""How every kernel is compiled."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import numba
import numpy as np

from palate.kernels.cache import CheckedCache
from palate.kernels.forks import forks_wait_for_compilers

__all__ = ["jit"]

forks_wait_for_compilers()


def jit(function: Callable[..., Any] | None = None, *, fused: bool = True) -> Callable[..., Any]:
    """Compile on the first call, release the GIL, and keep the machine code on disk where a folder can be written.

    Floating-point sums keep their order, so a result depends neither on the number of threads nor on how a loop was
    vectorised. The only liberty that the compiler takes is to fuse a product into a sum. Without `fused` it does not do
    that either, and the result is that of NumPy's operations one by one, on any CPU.
    """
    if function is None:
        return partial(jit, fused=fused)
    if numba.config.DISABLE_JIT:  # hashes overflow on purpose; NumPy would warn of each overflow
        return np.errstate(over="ignore")(function)
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    if fused:
        options["fastmath"] = {"contract"}
    kernel: Callable[..., Any] = numba.njit(**options)(function)
    with suppress(RuntimeError):  # neither the package's folder nor the user's cache can be written
        kernel._cache = CheckedCache(function)  # type: ignore[attr-defined]
    return kernel
