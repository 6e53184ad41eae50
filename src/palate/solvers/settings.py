"""Settings of a solver: each a dataclass field with its default, a sentence of help and its bounds.

The command line's options, the model file's record and the manual's tables are made from these, and from nothing else.
"""

from __future__ import annotations

import dataclasses
import types
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from palate.errors import SettingsError

__all__ = ["Search", "Setting", "check", "setting", "settings"]

#: Where `palate tune` looks: (low, high), (low, high, "log"), or True for both values of a bool and for all choices.
Search = tuple[float, float] | tuple[float, float, Literal["log"]] | bool | None


def setting(
    default: Any,
    help: str,
    *,
    least: float | None = None,
    above: float | None = None,
    below: float | None = None,
    none: str = "chosen",
    search: Search = None,
) -> Any:
    """Declare a field of a solver: >= least, > above, < below; `none` says what the default None means."""
    bounds = {"least": least, "above": above, "below": below}
    return dataclasses.field(default=default, metadata={"help": help, "none": none, "search": search, **bounds})


class Setting(NamedTuple):
    """One field of a solver, read back.

    Attributes
    ----------
    type
        bool, int, float or str.
    choices
        The texts allowed, if type is str.
    optional
        Whether None is allowed.
    none
        What None means: the solver chooses, or there is no limit.
    """

    name: str
    type: type
    default: Any
    help: str
    choices: tuple[str, ...]
    optional: bool
    none: str
    search: Search = None


def settings(solver: Any) -> list[Setting]:
    """Return the settings of a solver (class or instance), in order."""
    hints = get_type_hints(type(solver) if not isinstance(solver, type) else solver)
    found = []
    for field in dataclasses.fields(solver):
        hint, optional = hints[field.name], False
        if get_origin(hint) in (Union, types.UnionType):
            hint = next(part for part in get_args(hint) if part is not types.NoneType)
            optional = True
        choices = get_args(hint) if get_origin(hint) is Literal else ()
        default = field.default if isinstance(solver, type) else getattr(solver, field.name)
        kind = str if choices else hint
        found.append(
            Setting(
                field.name,
                kind,
                default,
                field.metadata["help"],
                choices,
                optional,
                field.metadata["none"],
                field.metadata["search"],
            )
        )
    return found


def check(solver: Any) -> None:
    """Refuse impossible settings.

    Raises
    ------
    SettingsError
        Naming the setting, its value and what it may be.
    """
    for setting, field in zip(settings(solver), dataclasses.fields(solver), strict=True):
        value = getattr(solver, setting.name)
        if value is None and setting.optional:
            continue
        kinds = (int, float) if setting.type is float else (setting.type,)
        if not isinstance(value, kinds) or (isinstance(value, bool) and setting.type is not bool):
            raise SettingsError(f"{setting.name} must be {setting.type.__name__}, not {value!r}")
        if setting.choices and value not in setting.choices:
            raise SettingsError(f"{setting.name} must be one of {', '.join(setting.choices)}, not {value!r}")
        least, above, below = (field.metadata[bound] for bound in ("least", "above", "below"))
        for wrong, words in (
            (value != value, "a number"),
            (least is not None and value < least, f"at least {least}"),
            (above is not None and value <= above, f"above {above}"),
            (below is not None and value >= below, f"below {below}"),
        ):
            if wrong:
                raise SettingsError(f"{setting.name} must be {words}, not {value!r}")
