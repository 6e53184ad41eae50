"""A model as one file."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from palate.catalogue import Catalogue, EntryColumns
from palate.errors import StorageError
from palate.files import read_arrays, write_arrays
from palate.model import AttributeWeights, FactorPrior, Model, Posterior, Predicts, RidgePenalty
from palate.model.choice import ChoiceHead, restore_head
from palate.model.interest import ChanceCalibration, Interest
from palate.model.time_effects import TimeEffects
from palate.ratings import Grouped, RatingScale, Vocabulary
from palate.stored_attributes import attribute_arrays, attribute_header, restored_attributes

__all__ = ["FORMAT", "load", "save"]

#: The version of the format. It is raised when an older palate would misread the file: see docs/model.md.
FORMAT = 1
_PREDICTS = get_args(Predicts)
_SIDES = ("user", "item")
_GREATEST = float(np.finfo(np.float32).max)
_LEAST_VARIANCE = 1e-300

Arrays = dict[str, NDArray[Any]]
_PARAMETERS = ("user_bias", "item_bias", "user_factors", "item_factors")
_SPREADS = ("user_noise", "item_noise", "user_spread", "item_spread", "calibration")


def save(model: Model, path: str | Path) -> None:
    """Write a model to one file: arrays (safetensors) and versioned JSON, with a checksum.

    The file is written under a temporary name, flushed to the disk and renamed, so that `path` always names a whole
    file, the old one or the new one.

    Raises
    ------
    StorageError
        If the file cannot be written; an existing file is then left as it was. If the first argument is no model.
    """
    if not isinstance(model, Model):
        raise StorageError(f"an object of type {type(model).__name__} is no model: save(model, path) is wanted")
    path = _as_path(path)
    arrays: Arrays = {name: np.asarray(getattr(model, name)) for name in _PARAMETERS}
    arrays |= _pack_vocabulary("users", model.users) | _pack_vocabulary("items", model.items)
    if model.seen is not None:
        arrays |= {f"seen.{name}": part for name, part in model.seen._asdict().items()}
    if model.seen_time is not None:
        arrays["seen.time"] = model.seen_time
    if model.posterior is not None:
        arrays |= _pack_posterior(model.posterior, "posterior.")
    if model.choice is not None:
        arrays |= {f"choice.{name}": array for name, array in model.choice.arrays().items()}
    features = {side: getattr(model, f"{side}_features") for side in _SIDES}
    for side, known in features.items():
        if known is not None:
            arrays |= _pack_vocabulary(f"{side}_features", Vocabulary(known.attributes.ids))
            arrays |= {f"{side}_features.{name}": array for name, array in attribute_arrays(known).items()}
    if model.times is not None:
        arrays |= {f"times.{name}": array for name, array in model.times.arrays().items()}
        arrays |= _pack_posterior(model.times.posterior, "times.posterior.")
    entries = model.catalogue.entries
    if entries:
        arrays |= _pack_texts("catalogue.ids", [str(id) for id in entries])
        arrays |= _pack_texts("catalogue.titles", [entry.title for entry in entries.values()])
        arrays |= _pack_texts("catalogue.texts", [entry.text for entry in entries.values()])
    header = {
        "kind": "model",
        "format": FORMAT,
        "intercept": model.intercept,
        "mean": model.mean,
        "scale": dataclasses.astuple(model.scale),
        "predicts": model.predicts,
        "penalty": model.penalty._asdict(),
        "noise": None if model.posterior is None else model.posterior.noise,
        "solver": dict(model.solver),
        "training": dict(model.training),
    }
    if any(known is not None for known in features.values()):
        header["features"] = {side: attribute_header(known) for side, known in features.items() if known is not None}
    if model.choice is not None:
        header["choice"] = {"kind": model.choice.kind, "settings": model.choice.settings()}
    if model.times is not None:
        header["times"] = model.times.settings()
    if model.interest is not None:
        header["interest"] = {
            **model.interest._asdict(),
            "calibration": model.interest.calibration._asdict(),
        }
    write_arrays(path, arrays, header)


def _as_path(path: str | Path) -> Path:
    try:
        return Path(path)
    except TypeError as error:
        raise StorageError(f"a model has a path, not an object of type {type(path).__name__}") from error


def load(path: str | Path, *, mmap: bool = False, verify: bool | None = None) -> Model:
    """Read a model that `save` wrote.

    Parameters
    ----------
    path
        The file.
    mmap
        Map the arrays into memory instead of reading them: processes share the pages, and loading copies nothing. As
        long as the model is used, replace its file as `save` does. If a program cuts the file short or writes over
        it, the operating system ends the process (SIGBUS).
    verify
        Whether to compare the checksum of the whole file. By default only if it is not mapped: shapes, indices and
        numbers are checked in any case, so that a damaged file gives an error or wrong numbers, but never a crash.

    Raises
    ------
    StorageError
        If the file is missing or damaged, is not a model, or is from a later version of palate.
    """
    arrays, header = read_arrays(_as_path(path), "model", mmap=mmap, verify=verify)
    if header.get("kind") != "model":
        raise StorageError(f"{path} is not a palate model")
    if header.get("format") != FORMAT:
        raise StorageError(
            f"model {path} has format {header.get('format')} and this version of palate reads format {FORMAT}: "
            "upgrade palate, or fit the model again"
        )
    try:
        noise = header["noise"]
        model = Model(
            users=_unpack_vocabulary("users", "user", arrays),
            items=_unpack_vocabulary("items", "item", arrays),
            intercept=_number(header["intercept"]),
            mean=_number(header["mean"]),
            scale=RatingScale(*map(_number, header["scale"])),
            seen=Grouped(*(arrays[f"seen.{name}"] for name in Grouped._fields)) if "seen.indptr" in arrays else None,
            predicts=header.get("predicts", _predicts_of(header["solver"])),
            catalogue=_unpack_catalogue(arrays),
            penalty=RidgePenalty.restored(header["penalty"]),
            posterior=None if noise is None else _unpack_posterior(arrays, noise, "posterior."),
            solver=header["solver"],
            training=header["training"],
            seen_time=arrays.get("seen.time"),
            choice=_unpack_choice(arrays, header.get("choice")),
            interest=_unpack_interest(header.get("interest")),
            user_features=_unpack_features("user", arrays, header),
            item_features=_unpack_features("item", arrays, header),
            times=_unpack_times(arrays, header.get("times")),
            user_bias=arrays["user_bias"],
            item_bias=arrays["item_bias"],
            user_factors=arrays["user_factors"],
            item_factors=arrays["item_factors"],
        )
        fits = _fits(model)
    except (KeyError, TypeError, ValueError, IndexError, OverflowError, AttributeError) as error:
        raise StorageError(f"model {path} lacks a part or holds one that does not fit: fit it again") from error
    if not fits:
        raise StorageError(f"model {path} has arrays that do not fit together: fit it again")
    return model


def _predicts_of(solver: Mapping[str, Any]) -> Predicts:
    """Return what the scores of a file are that does not record it, as the first files of format 1 do not."""
    return "choice" if solver.get("name") == "implicit" else "rating"


def _number(value: Any, greatest: float = _GREATEST) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= greatest:
        raise ValueError(f"{value!r} is no number, or too large")
    return float(value)


def _fits(model: Model) -> bool:
    """Whether the arrays of a model belong together and its predictions are numbers.

    The checksum finds damage, not forgery: a forged file must not lead to reads outside of its arrays.
    """
    users, items = len(model.users), len(model.items)
    parameters = [getattr(model, name) for name in _PARAMETERS]
    k = model.item_factors.shape[-1]
    if [part.shape for part in parameters] != [(users,), (items,), (users, k), (items, k)] or not users or not items:
        return False
    if [part.dtype for part in parameters] != [np.float32] * 4:
        return False
    if not (isinstance(model.solver, dict) and isinstance(model.training, dict)) or model.predicts not in _PREDICTS:
        return False
    if not all(_ascending(side.ids) for side in (model.users, model.items)):
        return False
    if model.posterior is not None and not _fits_posterior(model.posterior, users, items, k):
        return False
    if not model.predicts_numbers:
        return False
    if model.seen_time is not None:
        is_int64 = model.seen_time.dtype == np.int64
        if model.seen is None or not is_int64 or model.seen_time.shape != model.seen.values.shape:
            return False
    if model.choice is not None and not model.choice.fits(users, items):
        return False
    if model.times is not None and not _fits_times(model.times, users, items):
        return False
    if model.interest is not None:
        calibration, *rule = model.interest
        if not (model.choice and np.isfinite([*calibration, *rule]).all()):
            return False
        if model.interest.deviation <= 0 or model.interest.half_life <= 0:
            return False
    return model.seen is None or _fits_seen(model.seen, users, items)


def _fits_times(times: TimeEffects, users: int, items: int) -> bool:
    return times.fits(users, items) and _fits_posterior(times.posterior, users, items, times.item_factors.shape[1])


def _is_finite(part: NDArray[Any]) -> bool:
    # Without a second array, which for a mapped model would take a quarter of its size.
    return bool(np.isfinite(part.min(initial=0)) and np.isfinite(part.max(initial=0)))


def _unpack_choice(arrays: Arrays, header: Mapping[str, Any] | None) -> ChoiceHead | None:
    if header is None:
        return None
    return restore_head(header["kind"], header["settings"], _named(arrays, "choice."))


def _unpack_times(arrays: Arrays, header: Mapping[str, Any] | None) -> TimeEffects | None:
    if header is None:
        return None
    posterior = _unpack_posterior(arrays, header["noise"], "times.posterior.")
    return TimeEffects.restored(header, _named(arrays, "times."), posterior)


def _named(arrays: Arrays, prefix: str) -> Arrays:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _unpack_features(side: str, arrays: Arrays, header: Mapping[str, Any]) -> AttributeWeights | None:
    settings = header.get("features", {}).get(side)
    if settings is None:
        return None
    name = f"{side}_features"
    side_arrays = {key.removeprefix(f"{name}."): array for key, array in arrays.items() if key.startswith(f"{name}.")}
    ids = _unpack_vocabulary(name, side, arrays).ids
    return restored_attributes(ids, side_arrays, settings, arrays["item_factors"].shape[-1])


def _unpack_interest(header: Mapping[str, Any] | None) -> Interest | None:
    if header is None:
        return None
    return Interest(**{**header, "calibration": ChanceCalibration(**header["calibration"])})


def _ascending(ids: NDArray[Any]) -> bool:
    return ids.ndim == 1 and ids.dtype in (np.int64, object) and bool((ids[1:] > ids[:-1]).all())


def _fits_seen(seen: Grouped, users: int, items: int) -> bool:
    indptr, indices, values = seen
    if [part.dtype for part in seen] != [np.int64, np.int32, np.float32]:
        return False
    if indptr.shape != (users + 1,) or indices.shape != values.shape or indices.ndim != 1:
        return False
    if indptr[0] != 0 or indptr[-1] != len(indices) or (indptr[1:] < indptr[:-1]).any():
        return False
    return bool(indices.min(initial=0) >= 0 and indices.max(initial=0) < items and _is_finite(values))


def _pack_texts(name: str, texts: Sequence[str]) -> Arrays:
    # safetensors has no type for text: all texts are one array of UTF-8 bytes, and a second array has their ends.
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    ends = np.cumsum([len(part) for part in encoded], dtype=np.int64)
    return {f"{name}.bytes": np.frombuffer(b"".join(encoded), np.uint8), f"{name}.ends": ends}


def _unpack_texts(name: str, arrays: Arrays) -> list[str]:
    data, ends = arrays[f"{name}.bytes"].tobytes(), arrays[f"{name}.ends"].tolist()
    starts = [0, *ends[:-1]]
    if [*ends[-1:]] != [len(data)] * bool(ends) or any(start > end for start, end in zip(starts, ends, strict=True)):
        raise ValueError("texts overlap")  # and would take any amount of memory
    return [data[start:end].decode("utf-8", "surrogatepass") for start, end in zip(starts, ends, strict=True)]


def _pack_posterior(posterior: Posterior, prefix: str) -> Arrays:
    arrays = {prefix + name: getattr(posterior, name) for name in _SPREADS}
    for side in ("users", "items"):
        prior = getattr(posterior, side)
        arrays |= {f"{prefix}{side}.{field.name}": getattr(prior, field.name) for field in dataclasses.fields(prior)}
    return arrays


def _unpack_posterior(arrays: Arrays, noise: float, prefix: str) -> Posterior:
    priors = [
        FactorPrior(*(arrays[f"{prefix}{side}.{field.name}"] for field in dataclasses.fields(FactorPrior)))
        for side in ("users", "items")
    ]
    spreads = {name: arrays[prefix + name] for name in _SPREADS}
    return Posterior(_number(noise, np.finfo(np.float64).max), users=priors[0], items=priors[1], **spreads)


def _fits_posterior(posterior: Posterior, users: int, items: int, k: int) -> bool:
    spreads = [getattr(posterior, name) for name in _SPREADS]
    if [part.dtype for part in spreads] != ["f4", "f4", "f8", "f8", "f4"]:
        return False
    if [part.shape for part in spreads[:4]] != [(users + 1,), (items + 1,)] * 2 or spreads[4].ndim != 1:
        return False
    if not (_fits_prior(posterior.users, items, k) and _fits_prior(posterior.items, users, k)):
        return False
    positive: list[NDArray[Any]] = [posterior.user_noise, posterior.item_noise]
    steps = np.diff(posterior.calibration)
    not_negative: list[NDArray[Any]] = [posterior.user_spread, posterior.item_spread, posterior.calibration, steps]
    if posterior.noise < 0 or not all(part.min(initial=1) > 0 for part in positive):
        return False
    if not all(part.min(initial=0) >= 0 for part in not_negative):
        return False
    return all(map(_is_finite, spreads))


def _fits_prior(prior: FactorPrior, others: int, k: int) -> bool:
    parts: list[NDArray[Any]] = [prior.mean, prior.precision, prior.sets, prior.noise]
    if [part.dtype for part in parts] != ["f8", "f8", "f4", "f8"]:
        return False
    shapes = [part.shape for part in parts]
    if shapes not in [[(k + 1,), (k + 1, k + 1), (sets, k + 1), (others,)] for sets in (0, others)]:
        return False
    # Weights of ratings are inverse variances, which must be finite too.
    is_usable = all(map(_is_finite, parts)) and prior.noise.min(initial=1) >= _LEAST_VARIANCE
    return bool(is_usable and _is_positive_definite(prior.precision))


def _is_positive_definite(matrix: NDArray[np.float64]) -> bool:
    try:
        # The decomposition looks at one triangle only.
        is_symmetric = np.allclose(matrix, matrix.T, atol=1e-6 * float(np.abs(np.diagonal(matrix)).max(initial=0)))
        return is_symmetric and bool(np.isfinite(np.linalg.cholesky(matrix)).all())
    except np.linalg.LinAlgError:
        return False


def _pack_vocabulary(name: str, vocabulary: Vocabulary) -> Arrays:
    return _pack_texts(name, list(vocabulary.ids)) if vocabulary.is_text else {f"{name}.ids": vocabulary.ids}


def _unpack_vocabulary(name: str, kind: str, arrays: Arrays) -> Vocabulary:
    if f"{name}.ids" in arrays:
        return Vocabulary(arrays[f"{name}.ids"], kind)
    return Vocabulary(np.array(_unpack_texts(name, arrays), dtype=object), kind)


def _unpack_catalogue(arrays: Arrays) -> Catalogue:
    if "catalogue.ids.ends" not in arrays:
        return Catalogue()
    columns = [_unpack_texts(f"catalogue.{part}", arrays) for part in ("ids", "titles", "texts")]
    if len({len(column) for column in columns}) > 1:
        raise ValueError("the catalogue has not one title and text for each id")
    return Catalogue(EntryColumns(*columns))
