"""Polars, imported when something of it is used first: a fit of plain numeric text starts a tenth of a second sooner.

Not by `lazy_loader.load`: before Python 3.12 several threads that ask at once for a module of that kind see it half
loaded. An import statement waits for the other thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl
else:

    class _Polars:
        def __getattr__(self, name: str) -> Any:
            import polars

            return getattr(polars, name)

    pl = _Polars()

__all__ = ["pl"]
