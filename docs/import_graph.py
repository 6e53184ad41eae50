"""Which module of a package imports which, read from the source; nothing is imported to find out.

An import counts wherever it is: at the top, inside a function, or for types only. A package is its ``__init__``:
``import palate.model.predict`` is no import of ``palate.model``, but ``from palate.model import Model`` is one. A name
that the root of the package offers lazily counts as an import of the module that the stub takes the name from.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache, cached_property
from pathlib import Path

Graph = dict[str, set[str]]


@cache
def syntax_tree(text: str) -> ast.Module:
    """Return the syntax tree of a text; that of a text that was seen before is the same object."""
    return ast.parse(text)


class Source:
    """The modules of a package by their dotted names.

    Parameters
    ----------
    root
        The folder of the package, named as the package is.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.package = root, root.name
        self.paths = {self._name(path): path for path in sorted(root.rglob("*.py"))}

    def _name(self, path: Path) -> str:
        parts = path.relative_to(self.root.parent).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @cached_property
    def trees(self) -> dict[str, ast.Module]:
        """The syntax tree of each module."""
        return {name: syntax_tree(path.read_text("utf-8")) for name, path in self.paths.items()}

    @cached_property
    def lazy_names(self) -> dict[str, str]:
        """The module behind each name that the root offers, as its stub says."""
        stub = self.root / "__init__.pyi"
        nodes = ast.walk(syntax_tree(stub.read_text("utf-8"))) if stub.exists() else []
        homes = {}
        for node in nodes:
            if isinstance(node, ast.ImportFrom):
                home = f"{self.package}.{node.module}" if node.module else None
                homes |= {alias.name: home or f"{self.package}.{alias.name}" for alias in node.names}
        return homes

    @cached_property
    def graph(self) -> Graph:
        """The modules that each module imports."""
        return {name: set(self._imports(name)) - {name} for name in self.paths}

    def _imports(self, name: str) -> Iterator[str]:
        for node in ast.walk(self.trees[name]):
            if isinstance(node, ast.ImportFrom):
                base = self._base(name, node)
                if base == self.package or base.startswith(f"{self.package}."):
                    yield from (self._home(base, alias.name) for alias in node.names)
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names if alias.name.split(".")[0] == self.package]
                yield from (each for each in names if each in self.paths)
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == self.package:
                yield self._home(self.package, node.attr)

    def _base(self, name: str, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        is_package = self.paths[name].stem == "__init__"
        parts = name.split(".")[: len(name.split(".")) - node.level + is_package]
        return ".".join([*parts, *([node.module] if node.module else [])])

    def _home(self, base: str, imported: str) -> str:
        if f"{base}.{imported}" in self.paths:
            return f"{base}.{imported}"
        if base == self.package:
            return self.lazy_names.get(imported, base)
        return base


def circles(graph: Graph) -> list[list[str]]:
    """Return the strongly connected components with more than one module (Tarjan 1972), each sorted."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    components = []

    def visit(name: str) -> None:
        number[name] = lowest[name] = len(number)
        stack.append(name)
        for other in sorted(graph.get(name, ())):
            if other not in number:
                visit(other)
                lowest[name] = min(lowest[name], lowest[other])
            elif other in stack:
                lowest[name] = min(lowest[name], number[other])
        if lowest[name] == number[name]:
            start = stack.index(name)
            components.append(sorted(stack[start:]))
            del stack[start:]

    for name in sorted(graph):
        if name not in number:
            visit(name)
    return sorted(component for component in components if len(component) > 1)


def part(name: str) -> str:
    """Return the file or folder directly below the root that a module belongs to; "" for the root itself."""
    return name.partition(".")[2].partition(".")[0]


# From the bottom up: a module imports only from lines above its own. Modules of one line do not import each other.
LAYERS = [
    ["cached", "errors", "forks", "ids", "kernels", "left_overs", "memory", "parallel"],
    ["environment", "moments"],
    ["files", "attributes", "catalogue", "lazy", "ranking"],
    ["tabular"],
    ["ratings", "frame_files", "gpu"],
    ["reading"],
    ["check", "splits", "datasets"],
    ["model"],
    ["solvers", "stored_attributes"],
    ["storage"],
    ["evaluation"],
    ["heads"],
    ["workflow"],
    ["client", "service", "spark"],
    ["refit"],
    ["retraining"],
    ["cli"],
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
_ENTRY = {"", "__main__"}  # the names of the root are lazy, and ``python -m`` starts from there


def misplaced(graph: Graph) -> list[str]:
    """Return the imports that do not lead to a lower layer; any part of palate may ask for ``palate.__version__``."""
    return [
        f"{name} imports {other}, which is not in a layer below"
        for name, others in sorted(graph.items())
        for other in sorted(others)
        if part(name) not in _ENTRY
        and part(other) not in {part(name), ""}
        and not LEVEL.get(part(other), len(LAYERS)) < LEVEL.get(part(name), -1)
    ]


def route(graph: Graph, start: str, end: str) -> list[str]:
    """Return a shortest chain of imports from a part of palate to another part, empty if there is none."""
    chains = [[name] for name in sorted(graph) if part(name) == start]
    reached = {chain[0] for chain in chains}
    for chain in chains:  # grows while it is walked through
        if part(chain[-1]) == end:
            return chain
        for other in sorted(graph.get(chain[-1], set()) - reached):
            reached.add(other)
            chains.append([*chain, other])
    return []


def shared_class_names(source: Source) -> list[str]:
    """Return the names that more than one module gives to a class of its own."""
    homes: dict[str, list[str]] = {}
    for name, tree in source.trees.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                homes.setdefault(node.name, []).append(name)
    return [f"{name}: {', '.join(modules)}" for name, modules in sorted(homes.items()) if len(modules) > 1]


def _code_lines(text: str) -> int:
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    length = len(text.splitlines())
    for node in ast.walk(syntax_tree(text)):
        if isinstance(node, documented) and ast.get_docstring(node) is not None:
            length -= (node.body[0].end_lineno or 0) - node.body[0].lineno + 1
    return length


def long_files(root: Path, most: int) -> list[str]:
    """Return the Python files with more lines of code than `most`; docstrings do not count."""
    lengths = {path: _code_lines(path.read_text("utf-8")) for path in sorted(root.rglob("*.py"))}
    return [f"{path.relative_to(root)}: {length} lines" for path, length in lengths.items() if length > most]
