"""The random numbers of `palate.kernels.rows`, drawn on a card: they depend on a key and a row alone.

The uniform numbers are the same to the last bit. The normal numbers are the same up to the rounding of the logarithm,
sine and cosine in double precision, which seldom shows in float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["draw_normals"]


def _signed(constant: int) -> int:
    """Return the signed integer with the same 64 bits: PyTorch computes with these, and products wrap alike."""
    return constant - (1 << 64) if constant >> 63 else constant


# Of splitmix64, as in `palate.kernels.rows`.
_STEP, _ROW = _signed(0x9E3779B97F4A7C15), _signed(0xD1342543DE82EF95)
_FIRST, _SECOND = _signed(0xBF58476D1CE4E5B9), _signed(0x94D049BB133111EB)


def _shifted(bits: torch.Tensor, places: int) -> torch.Tensor:
    """Return bits moved right, with zeros on the left."""
    return (bits >> places) & ((1 << (64 - places)) - 1)


def _uniform(key: torch.Tensor, number: torch.Tensor) -> torch.Tensor:
    """Return splitmix64(key, number) as a float64 strictly between 0 and 1."""
    bits = key + number * _STEP
    bits = (bits ^ _shifted(bits, 30)) * _FIRST
    bits = (bits ^ _shifted(bits, 27)) * _SECOND
    bits = bits ^ _shifted(bits, 31)
    return (_shifted(bits, 11).double() + 0.5) * 2.0**-53


def draw_normals(key: int, rows: torch.Tensor, count: int) -> torch.Tensor:
    """Return `count` standard normals for each row, float32 (rows, count), by the method of Box and Muller.

    Parameters
    ----------
    key
        Of the draw.
    rows
        int64 (rows,): the numbers of the rows.
    count
        How many numbers each row gets.
    """
    import torch

    mixed = _signed(key) ^ (rows[:, None] * _ROW)
    mixed = (mixed ^ _shifted(mixed, 32)) * _FIRST
    places = torch.arange(0, count, 2, device=rows.device)
    radius = torch.sqrt(-2.0 * torch.log(_uniform(mixed, places + 1)))
    angle = 2.0 * torch.pi * _uniform(mixed, places + 2)
    pairs = torch.stack((radius * torch.cos(angle), radius * torch.sin(angle)), dim=2)
    return pairs.flatten(1)[:, :count].float()
