"""Draw the layers of palate from its imports, into architecture.md.

    python docs/draw_architecture.py

A test compares what this writes with the page, so that the page cannot go stale.
"""

from __future__ import annotations

import ast
from pathlib import Path

from import_graph import LAYERS, Graph, Source, part

__all__ = ["BEGIN", "END", "PAGE", "arrows", "drawing", "is_current", "parts", "write"]

FOLDER = Path(__file__).parent
PAGE = FOLDER / "architecture.md"
PACKAGE = FOLDER.parent / "src" / "palate"
BEGIN, END = "<!-- drawn by draw_architecture.py: begin -->", "<!-- drawn by draw_architecture.py: end -->"


def parts(graph: Graph) -> Graph:
    """Return which file or folder directly below the root imports which."""
    joined: Graph = {part(name): set() for name in graph if part(name) not in ("", "__main__")}
    for name, others in graph.items():
        if part(name) in joined:
            joined[part(name)] |= {part(other) for other in others} - {part(name), ""}
    return joined


def arrows(graph: Graph) -> list[tuple[str, str]]:
    """Return the imports of a graph without circles that do not follow from others (its transitive reduction).

    Examples
    --------
    >>> arrows({"a": {"b", "c"}, "b": {"c"}, "c": set()})
    [('a', 'b'), ('b', 'c')]
    """

    def below(name: str) -> set[str]:
        reached: set[str] = set()
        ahead = [name]
        while ahead:
            new = graph[ahead.pop()] - reached
            reached |= new
            ahead += new
        return reached

    return [
        (name, other)
        for name, others in sorted(graph.items())
        for other in sorted(others)
        if not any(other in below(between) for between in others - {other})
    ]


def drawing(source: Source) -> str:
    """Return the table of the layers and their diagram, from the top layer down."""
    graph = parts(source.graph)
    summary = {
        name: (ast.get_docstring(tree) or "").partition("\n")[0].replace("|", r"\|")
        for name, tree in source.trees.items()
    }
    layers = [(number, [name for name in names if name in graph]) for number, names in enumerate(LAYERS, 1)][::-1]
    lines = ["| Layer | Part | What it is |", "|---|---|---|"]
    for number, names in layers:
        lines += [f"| {number} | `{name}` | {summary[f'{source.package}.{name}']} |" for name in names]
    lines += ["", "```mermaid", "flowchart TB"]
    for number, names in layers:
        if names:
            lines += [f"  subgraph layer{number}[{number}]", *(f"    {name}" for name in names), "  end"]
    lines += [f"  {name} --> {other}" for name, other in arrows(graph)]
    return "\n".join([*lines, "```"])


def _pieces() -> tuple[str, str, str]:
    """Return what stands on the page before, between and after the marks."""
    before, _, rest = PAGE.read_text("utf-8").partition(f"{BEGIN}\n\n")
    drawn, _, after = rest.partition(f"\n\n{END}")
    return before, drawn, after


def is_current() -> bool:
    """Return whether the page shows the imports of today."""
    return _pieces()[1] == drawing(Source(PACKAGE))


def write() -> None:
    """Bring the page up to date."""
    before, _, after = _pieces()
    PAGE.write_text(f"{before}{BEGIN}\n\n{drawing(Source(PACKAGE))}\n\n{END}{after}", "utf-8")


if __name__ == "__main__":
    write()
