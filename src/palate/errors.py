"""Every error that palate raises on purpose.

PalateError                 the base: catch this one
├── ReadError               a table or catalogue that cannot be read, with file, line and value
├── DataError               ratings that were read but cannot be used (empty, duplicated, off the scale)
├── UnknownIdError          a user or item id that the model has not seen
├── SettingsError           a solver or split that was given impossible settings
├── ForkError               something that does not work in a forked process
├── StorageError            a model file or checkpoint that is missing, damaged or of another format
├── StoreError              the event store cannot be reached, is locked or full: it may work again later
├── ServiceError            a service that cannot be reached, or that refuses
├── DownloadError           a data set that could not be fetched
└── MissingExtraError       an optional dependency that is not installed

PalateWarning is the category of all warnings: ``warnings.simplefilter("ignore", palate.PalateWarning)`` ends them.

A message says what is wrong, with which value and where, and what to do about it, in one line.
"""

from __future__ import annotations

__all__ = [
    "DataError",
    "DownloadError",
    "ForkError",
    "MissingExtraError",
    "PalateError",
    "PalateWarning",
    "ReadError",
    "ServiceError",
    "SettingsError",
    "StorageError",
    "StoreError",
    "UnknownIdError",
]


class PalateError(Exception):
    """Base of all errors that palate raises on purpose."""


class PalateWarning(UserWarning):
    """Something about the ratings or the fit deserves a look; the work goes on."""


class ReadError(PalateError):
    """A table or catalogue cannot be read."""


class DataError(PalateError):
    """Ratings were read but cannot be used."""


class UnknownIdError(PalateError, LookupError):
    """A user or item id that the model has not seen."""


class SettingsError(PalateError, ValueError):
    """A solver, split or query was given impossible settings."""


class ForkError(PalateError, RuntimeError):
    """Something does not work in a process that was forked from one with threads."""


class StorageError(PalateError):
    """A model file or checkpoint is missing, damaged or of another format."""


class StoreError(PalateError):
    """The event store of a running service cannot be reached, is locked or full. It may work again later."""


class ServiceError(PalateError):
    """A service cannot be reached, refuses or fails."""


class DownloadError(PalateError):
    """A data set could not be fetched."""


class MissingExtraError(PalateError, ImportError):
    """An optional dependency is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs the extra '{extra}': run pip install '.[{extra}]' in a clone of palate")

    @classmethod
    def package(cls, what: str, name: str) -> MissingExtraError:
        """Return the error for a package that belongs to no extra."""
        error = cls(what, "")
        error.args = (f"{what} needs the package {name}: pip install {name}",)
        return error
