"""How every kernel is compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

__all__ = ["jit"]


def jit(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile on the first call, release the GIL, and keep the machine code on disk where a folder can be written.

    Floating-point sums keep their order (no fastmath but the fusing of a product into a sum), so a result depends
    neither on the number of threads nor on how a loop was vectorised.
    """
    if numba.config.DISABLE_JIT:  # hashes overflow on purpose, which NumPy's numbers would say each time
        return np.errstate(over="ignore")(function)
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}}
    try:
        return numba.njit(cache=True, **options)(function)  # type: ignore[no-any-return]
    except RuntimeError:  # neither the package's folder nor the user's cache can be written
        return numba.njit(**options)(function)  # type: ignore[no-any-return]
