"""Alternating least squares."""

from __future__ import annotations

from palate.solvers.als.settings import ALS
from palate.solvers.registry import register

__all__ = ["ALS"]

register(ALS())
