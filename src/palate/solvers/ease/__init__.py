"""EASE: choices by weights between items."""

from __future__ import annotations

from palate.solvers.ease.settings import EASE
from palate.solvers.ease.weights import fit_ease

__all__ = ["EASE", "fit_ease"]
