"""Shared fixtures."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("PALATE_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder with real ratings (Jester, MovieLens), which is not part of the project."""
    if not DATA.is_dir():
        pytest.skip(f"real ratings are not at {DATA}: set PALATE_DATA to a folder with jester/ and ml-100k/")
    return DATA
