"""Results as tables: for people as text and HTML, for programs as frames."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from palate.errors import MissingExtraError
from palate.lazy import pl

if TYPE_CHECKING:
    import pandas as pd
    import polars

__all__ = ["SHOWN_ROWS", "Tabular"]

# Rows that are shown; of longer tables only the first.
SHOWN_ROWS = 20


class Tabular:
    """Something that is also a table. A subclass says what the columns are and, if it likes, what stands above them.

    Examples
    --------
    >>> class Squares(Tabular):
    ...     def columns(self):
    ...         return {"n": [1, 2], "square": [1.0, 4.0]}
    >>> Squares()
     n  square
     1  1.0000
     2  4.0000
    >>> Squares().to_polars()["square"].sum()
    5.0
    """

    @abstractmethod
    def columns(self) -> Mapping[str, Sequence[Any]]:
        """Return the columns by name, all of one length."""

    def heading(self) -> str:
        """Return the line above the table; empty for none."""
        return ""

    def shown_columns(self) -> Mapping[str, Sequence[Any]]:
        """Return the columns that people see."""
        return self.columns()

    def to_polars(self) -> polars.DataFrame:
        """Return the table as a polars frame."""
        return pl.DataFrame(dict(self.columns()))

    def to_pandas(self) -> pd.DataFrame:
        """Return the table as a pandas frame.

        Raises
        ------
        MissingExtraError
            If pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise MissingExtraError.package("a pandas frame", "pandas") from error
        return pd.DataFrame({name: list(values) for name, values in self.columns().items()})

    def __repr__(self) -> str:
        names, rows, more = self._cells()
        widths = [max(len(row[place]) for row in [names, *rows]) for place in range(len(names))]
        sides = [str.rjust if is_number else str.ljust for is_number in self._numeric()]
        lines = [
            " " + "  ".join(side(cell, width) for side, cell, width in zip(sides, row, widths, strict=True)).rstrip()
            for row in [names, *rows]
        ]
        return "\n".join([line for line in (self.heading(), *lines, more) if line])

    def _repr_html_(self) -> str:
        names, rows, more = self._cells()
        header = "".join(f"<th>{escape(name)}</th>" for name in names)
        align = ["right" if number else "left" for number in self._numeric()]
        body = "".join(
            "<tr>"
            + "".join(
                f'<td style="text-align: {side}">{escape(cell)}</td>' for side, cell in zip(align, row, strict=True)
            )
            + "</tr>"
            for row in rows
        )
        above, below = (f"<p>{escape(text)}</p>" if text else "" for text in (self.heading(), more))
        return f"{above}<table><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table>{below}"

    def _numeric(self) -> list[bool]:
        return [not any(isinstance(value, str) for value in values) for values in self.shown_columns().values()]

    def _cells(self) -> tuple[list[str], list[list[str]], str]:
        """Return the names of the columns, the first rows as text, and a line that counts the others."""
        columns = self.shown_columns()
        count = max(map(len, columns.values()), default=0)
        rows = [[_cell(values[row]) for values in columns.values()] for row in range(min(count, SHOWN_ROWS))]
        more = f"… and {count - SHOWN_ROWS:,} more rows" if count > SHOWN_ROWS else ""
        return list(columns), rows, more


def _cell(value: Any) -> str:
    if value is None or value != value:
        return "–"
    if isinstance(value, str):
        return value if len(value) <= 60 else value[:59].rstrip() + "…"
    return f"{value:.4f}" if isinstance(value, float) or type(value).__name__.startswith("float") else f"{value}"
