"""The solvers that can be asked for by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import iter_modules

from palate.errors import SettingsError
from palate.solvers.solver import Solver

__all__ = ["SOLVERS", "SolverRegistry", "register"]


class SolverRegistry(Mapping[str, Solver]):
    """Solvers by name: those in palate's own folders, and those that a program or another package registers."""

    def __init__(self) -> None:
        self._solvers: dict[str, Solver] = {}
        self._summaries: dict[str, str] = {}
        self._compared: dict[str, bool] = {}
        self._is_complete = False

    def add(self, solver: Solver, name: str, summary: str, compared: bool) -> None:
        """Add a solver: see `register`."""
        if self._solvers.get(name, solver) != solver:
            raise SettingsError(f"a solver named {name!r} exists already: give the new one another name")
        self._solvers[name], self._summaries[name], self._compared[name] = solver, summary, compared

    def summary(self, name: str) -> str:
        """Return the line of help of a solver."""
        self._load()
        return self._summaries[name]

    def compared(self) -> list[str]:
        """Return the names that `palate.compare` takes when none is given."""
        return [name for name in self if self._compared[name]]

    def _load(self) -> dict[str, Solver]:
        """Import every folder of solvers, each of which registers its own, and the entry points of other packages."""
        if not self._is_complete:
            self._is_complete = True
            package = import_module("palate.solvers")
            for module in iter_modules(package.__path__, "palate.solvers."):
                if module.ispkg:
                    import_module(module.name)
            for entry in entry_points(group="palate.solvers"):
                entry.load()
        return self._solvers

    def __getitem__(self, name: str) -> Solver:
        return self._load()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._load())

    def __len__(self) -> int:
        return len(self._load())


#: What can be asked for by name, such as ``SOLVERS["als"]``; `dataclasses.replace` changes the settings of an entry.
SOLVERS = SolverRegistry()


def register(
    solver: Solver, name: str | None = None, summary: str | None = None, *, compared: bool | None = None
) -> None:
    """Make a solver available by name, in Python and on the command line.

    Another package declares an entry point of the group "palate.solvers". The entry point names a module that calls
    `register`.

    Parameters
    ----------
    solver
        Its settings are the defaults of the name.
    name, summary, compared
        By default those of the class. They are given where the same class is registered with other settings.

    Raises
    ------
    SettingsError
        If another solver has this name.
    """
    SOLVERS.add(
        solver,
        name or solver.name,
        summary or solver.summary,
        solver.compared and solver.predicts == "rating" if compared is None else compared,
    )
