"""``--solver`` and an option for each setting of the solvers, made from the registry when a command is used."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from palate.cli.headings import MODEL, RUN, Command, Option

if TYPE_CHECKING:
    from palate.solvers import Setting, Solver

__all__ = ["DEFAULT_SOLVER", "SolverCommand", "make_solver", "with_liked"]

DEFAULT_SOLVER = "bayes"
# On the command line these are the names of tables: where a table is given, pilots decide.
_NO_OPTIONS = ("user_features", "item_features")
# These settings say how long a fit takes, and where it runs.
_RUN = ("sweeps", "epochs", "patience", "time_budget", "device")


class SolverCommand(Command):
    """A command that fits: it gets `solver`, and the settings of all solvers, None where they were not given."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the command's own parameters, those of the solvers, and the option ``--help``."""
        *parameters, help_option = super().get_params(ctx)
        own = {parameter.name for parameter in parameters}
        settings = [_setting_option(by_solver) for name, by_solver in _settings_by_name().items() if name not in own]
        return [_solver_option(), *parameters, *settings, help_option]


def with_liked(solver: Solver, liked: float | None) -> Solver:
    """Return a solver that learns from choices with the rating from which a pair is one; any other as it is."""
    takes = liked is not None and any(field.name == "liked" for field in dataclasses.fields(solver))
    return dataclasses.replace(solver, **{"liked": liked}) if takes else solver


def make_solver(name: str, options: dict[str, Any], liked: float | None = None) -> Solver:
    """Return the named solver with the settings that were given."""
    from palate.solvers import SOLVERS, settings

    known = {setting.name: setting for setting in settings(SOLVERS[name])}
    changes = {}
    for key, value in options.items():
        if value is None:
            continue
        if key not in known:
            raise click.UsageError(f"{_flag(key)} is no setting of the solver {name!r}")
        # Where solvers differ in the type of a setting, the option took any text.
        changes[key] = click.types.convert_type(_click_type(known[key])).convert(
            value, click.Option([_flag(key)]), None
        )
    return with_liked(dataclasses.replace(SOLVERS[name], **changes), liked)


def _solver_option() -> click.Option:
    from palate.solvers import SOLVERS

    summaries = "How to fit. " + "; ".join(f"{name}: {SOLVERS.summary(name)}" for name in SOLVERS)
    return Option(
        ["--solver"],
        type=click.Choice(list(SOLVERS)),
        default=DEFAULT_SOLVER,
        show_default=True,
        help=summaries,
        heading=MODEL,
    )


def _classes() -> list[str]:
    """Return the names of solvers of distinct classes: another entry of a class has the same settings."""
    from palate.solvers import SOLVERS

    first: dict[type, str] = {}
    for name in sorted(SOLVERS, key=lambda name: SOLVERS[name].name != name):
        first.setdefault(type(SOLVERS[name]), name)
    return [name for name in SOLVERS if name in first.values()]


def _settings_by_name() -> dict[str, dict[str, Setting]]:
    """Return each setting by its name, as it is in each solver that has it."""
    from palate.solvers import SOLVERS, settings

    by_name: dict[str, dict[str, Setting]] = {}
    for solver in _classes():
        for setting in settings(SOLVERS[solver]):
            if setting.name in _NO_OPTIONS:
                continue
            by_name.setdefault(setting.name, {})[solver] = setting
    return by_name


def _setting_option(by_solver: dict[str, Setting]) -> click.Option:
    name = next(iter(by_solver.values())).name
    kinds = {(setting.type, setting.choices) for setting in by_solver.values()}
    is_switch = kinds == {(bool, ())}
    kind = _click_type(next(iter(by_solver.values()))) if len(kinds) == 1 else str
    flags = f"{_flag(name)}/{_flag('no_' + name)}" if is_switch else _flag(name)
    # The default stays None, so that a named solver keeps its own settings where none is given.
    return Option(
        [flags, name], type=kind, default=None, help=_help(by_solver), heading=_heading(name, list(by_solver))
    )


def _heading(setting: str, solvers: list[str]) -> str:
    """Return the heading that the option of a setting stands under."""
    if setting in _RUN:
        return RUN
    return MODEL if len(solvers) > 1 else f"Settings of --solver {solvers[0]}"


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _click_type(setting: Setting) -> Any:
    return click.Choice(setting.choices) if setting.choices else setting.type


def _help(by_solver: dict[str, Setting]) -> str:
    """Return what a setting means and what its default is, for each solver where they differ."""
    meanings = _grouped((name, setting.help) for name, setting in by_solver.items())
    is_told_above = _heading(next(iter(by_solver.values())).name, list(by_solver)) not in (MODEL, RUN)
    is_plain = len(meanings) == 1 and (is_told_above or len(by_solver) == len(_classes()))
    parts = [text if is_plain else f"{', '.join(names)}: {text}" for text, names in meanings.items()]
    defaults = _grouped(
        (name, setting.none if setting.default is None else f"{setting.default}") for name, setting in by_solver.items()
    )
    if len(defaults) == 1:
        return f"{'; '.join(parts)}. [{next(iter(defaults))}]"
    each = [f"{', '.join(names)}: {text}" for text, names in defaults.items()]
    return f"{'; '.join(parts)}. [{'; '.join(each)}]"


def _grouped(texts: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return each text with the names of the solvers that have it."""
    names: dict[str, list[str]] = {}
    for name, text in texts:
        names.setdefault(text, []).append(name)
    return names
