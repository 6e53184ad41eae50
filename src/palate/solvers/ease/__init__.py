"""Weights between items in closed form (EASE)."""

from __future__ import annotations

from palate.solvers.ease.settings import EASE
from palate.solvers.registry import register

__all__ = ["EASE"]

register(EASE())
