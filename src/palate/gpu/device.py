"""The choice between the CPU and a graphics card, and what every computation on a card needs."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, TypeVar

from palate.errors import MissingExtraError, SettingsError

if TYPE_CHECKING:
    import torch

__all__ = ["DEVICE_HELP", "DeviceName", "device_label", "exact_products", "find_device", "repeatable_sums", "with_room"]

DeviceName = Literal["auto", "cpu", "cuda"]
DEVICE_HELP = "where to compute: cpu, cuda (a graphics card), or auto, a card if there is one and the table is large"

Result = TypeVar("Result")

# The variable that says which device of PyTorch "cuda" stands for: "cuda:1" is the second card. With "cpu" the
# tests run the code for cards on any machine.
_VARIABLE = "PALATE_TORCH_DEVICE"
# From this number of products in a half-step on, "auto" takes a card. A half-step on a card starts a few thousand small
# operations, each of some microseconds, and PyTorch takes seconds to load.
_WORTH_IT = 5e9


def find_device(choice: DeviceName, products: float) -> torch.device | None:
    """Return the card that a computation should use, None for the CPU.

    Parameters
    ----------
    choice
        "auto" takes a card only if PyTorch is installed and sees one, and if the computation is large enough.
    products
        About how many products of two numbers one step of the computation takes, such as a half-step of ALS.

    Raises
    ------
    MissingExtraError
        If `choice` is "cuda" and PyTorch is not installed.
    SettingsError
        If `choice` is "cuda" and PyTorch sees no card.
    """
    name = os.environ.get(_VARIABLE)
    if choice == "cpu" or (choice == "auto" and not (products >= _WORTH_IT and (name or _has_driver()))):
        return None
    try:
        import torch
    except ImportError as error:
        if choice == "auto":
            return None
        raise MissingExtraError("device='cuda'", "gpu") from error
    name = name or "cuda"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise SettingsError(f"{_VARIABLE} must name a device of PyTorch, such as cuda:1, not {name!r}") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        if choice == "auto":
            return None
        raise SettingsError(
            f"device='cuda' found no graphics card {name!r}: PyTorch {torch.__version__} sees "
            f"{torch.cuda.device_count()}; choose device='cpu', or install the driver and a PyTorch with CUDA"
        )
    return device


def _has_driver() -> bool:
    """Whether NVIDIA's driver is there; without it, loading PyTorch would cost time and memory for nothing."""
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True


def device_label(device: torch.device) -> str:
    """Return the name of a card, such as "NVIDIA H100 80GB HBM3"."""
    import torch

    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"torch on {device.type}"


@contextmanager
def exact_products() -> Iterator[None]:
    """Let products of matrices have the full precision of float32 (no TF32) within the context."""
    import torch

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@contextmanager
def repeatable_sums() -> Iterator[None]:
    """Let sums over rows that occur more than once have the same bits each time within the context."""
    import torch

    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])


def with_room(work: Callable[[], Result], make_room: Callable[[], bool]) -> Result:
    """Return the result of work(); it is tried again after each lack of memory on the card.

    Parameters
    ----------
    work
        What needs memory.
    make_room
        Called before each new trial. It returns False when it can do nothing more.

    Raises
    ------
    SettingsError
        If the memory does not suffice.
    """
    import torch

    while True:
        try:
            return work()
        except torch.OutOfMemoryError as error:
            message = str(error).splitlines()[0]
        # Outside of the handler: the error keeps the tensors of the failed trial alive.
        if not make_room():
            raise SettingsError(f"the graphics card has too little memory ({message}): choose device='cpu'")
        torch.cuda.empty_cache()
