"""Settings of a solver: each is a dataclass field with a default, a sentence of help and bounds.

The options of the command line, the record in the model file and the tables of the manual are all made from these
fields.
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
    """Declare a field of a solver.

    Parameters
    ----------
    default
        The value where none is given.
    help
        What the setting does, in one sentence without a full stop.
    least, above, below
        Bounds: value >= least, value > above, value < below.
    none
        What the value None means, in one word or two: the solver chooses, or there is no limit.
    search
        Where `palate tune` looks for better values: see `Search`. None if the setting is not tuned.
    """
    bounds = {"least": least, "above": above, "below": below}
    return dataclasses.field(default=default, metadata={"help": help, "none": none, "search": search, **bounds})


class Setting(NamedTuple):
    """One setting of a solver, as the command line and the manual need it.

    Attributes
    ----------
    name
        Of the field.
    type
        bool, int, float or str.
    default
        Of the class, or the value of the instance.
    help
        What the setting does.
    choices
        The texts allowed, if type is str.
    optional
        Whether None is allowed.
    none
        What None means.
    search
        Where `palate tune` looks.
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
    """Return the settings of a solver (class or instance), in the order of its fields."""
    hints = get_type_hints(type(solver) if not isinstance(solver, type) else solver)
    entries = []
    for field in dataclasses.fields(solver):
        hint, optional = hints[field.name], False
        if get_origin(hint) in (Union, types.UnionType):
            hint = next(part for part in get_args(hint) if part is not types.NoneType)
            optional = True
        choices = get_args(hint) if get_origin(hint) is Literal else ()
        default = field.default if isinstance(solver, type) else getattr(solver, field.name)
        kind = str if choices else hint
        entries.append(
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
    return entries


def check(solver: Any) -> None:
    """Refuse impossible settings.

    Raises
    ------
    SettingsError
        With the name of the setting, its value, and which values are allowed.
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
        for is_wrong, allowed in (
            (value != value, "a number"),
            (least is not None and value < least, f"at least {least}"),
            (above is not None and value <= above, f"above {above}"),
            (below is not None and value >= below, f"below {below}"),
        ):
            if is_wrong:
                raise SettingsError(f"{setting.name} must be {allowed}, not {value!r}")
