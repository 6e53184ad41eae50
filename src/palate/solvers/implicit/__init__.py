"""Alternating least squares for choices."""

from __future__ import annotations

from palate.solvers.implicit.settings import ImplicitALS
from palate.solvers.registry import register

__all__ = ["ImplicitALS"]

register(ImplicitALS())
