"""Model files that are damaged, or forged with a right checksum: refused, or asked every question."""

from __future__ import annotations

import copy
import json
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

import palate
from fuzz.values import NUMBERS, mutate
from palate.catalogue import Catalogue, Entry
from palate.errors import PalateError
from palate.files import read_arrays, write_arrays
from palate.storage import load, save

__all__ = ["load_a_damaged_model", "load_a_forged_model"]

_PARTS: dict[str, Any] = dict.fromkeys(("user_noise", "item_noise", "user_sets", "item_sets"), True)
_BASES: list[tuple[dict[str, Any], dict[str, Any], bytes]] = []


def _bases(folder: Path) -> list[tuple[dict[str, Any], dict[str, Any], bytes]]:
    """Return arrays, header and bytes of a model of each kind."""
    if _BASES:
        return _BASES
    rng = np.random.default_rng(0)
    rows = [(int(u), f"i{i}", float(rng.integers(1, 6))) for u in range(12) for i in rng.permutation(15)[:8]]
    ratings = palate.read_ratings(rows)
    catalogue = Catalogue({f"i{i}": Entry(f"Title {i}", "Text") for i in range(18)})
    solvers = (
        palate.SGD(factors=3, epochs=2),
        palate.ALS(factors=3, sweeps=2, nonnegative=True, regularization=0.1),
        palate.BayesianMF(factors=2, sweeps=6, **_PARTS),
        palate.ImplicitALS(factors=3, sweeps=2, regularization=0.1),
    )
    for solver in solvers:
        model = solver.fit(ratings)
        from dataclasses import replace

        path = folder / "base.palate"
        save(replace(model, catalogue=catalogue), path)
        arrays, header = read_arrays(path, "model")
        _BASES.append((arrays, header, path.read_bytes()))
    return _BASES


def load_a_damaged_model(random: Random, folder: Path) -> None:
    """Change bytes of a file, and load it, mapped or not."""
    _, _, data = random.choice(_bases(folder))
    path = folder / "damaged.palate"
    path.write_bytes(mutate(data, random))
    with suppress(PalateError):
        _ask(load(path, mmap=random.random() < 0.8), folder, random)


def load_a_forged_model(random: Random, folder: Path) -> None:
    """Change arrays and the header, write the file with its checksum, and load it."""
    arrays, header, _ = random.choice(_bases(folder))
    arrays, header = dict(arrays), copy.deepcopy(header)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        if random.random() < 0.25:
            _forge_header(header, random)
        else:
            name = random.choice(sorted(arrays))
            forged = _forged(arrays[name], random)
            if forged is None:
                del arrays[name]
            else:
                arrays[name] = forged
            if not arrays:
                return
    path = folder / "forged.palate"
    try:
        write_arrays(path, arrays, header, durable=False)
    except (KeyError, ValueError, TypeError):  # the writer does not take every header and array
        return
    with suppress(PalateError):
        _ask(load(path, mmap=random.random() < 0.5), folder, random)


def _forge_header(header: dict[str, Any], random: Random) -> None:
    owner: Any = header
    key: Any = random.choice(sorted(header))
    while isinstance(owner[key], (dict, list)) and owner[key] and random.random() < 0.8:
        owner = owner[key]
        key = random.choice(sorted(owner)) if isinstance(owner, dict) else random.randrange(len(owner))
    values = [*NUMBERS, None, True, "", "x", [], {}, [1], {"a": 1}, [[[]]], "rating", "choice"]
    if random.random() < 0.15 and isinstance(owner, dict):
        del owner[key]
    else:
        owner[key] = random.choice(values)
    json.dumps(header, allow_nan=True)


def _forged(array: np.ndarray[Any, Any], random: Random) -> np.ndarray[Any, Any] | None:
    array, kind = array.copy(), random.randrange(9)
    if kind == 0:
        return None
    if kind == 1:
        return array[: random.randint(0, len(array))] if array.ndim else array
    if kind == 2:
        return array.astype(random.choice((np.float32, np.float64, np.int64, np.int32, np.uint8)))
    if kind == 3:
        return array.reshape(random.choice(((-1,), (1, -1), (-1, 1), array.shape)))
    if kind == 4:
        return np.zeros(random.choice(((0,), (0, 1 << 40), (1, 1), (0, 0))), array.dtype)
    if kind == 5 and array.size:
        return array[::-1].copy()
    if array.size:
        flat = array.reshape(-1)
        values: list[Any] = [*NUMBERS, float("nan"), float("inf"), float("-inf")]
        places = slice(None) if kind == 6 else random.randrange(len(flat))
        with suppress(OverflowError, ValueError), np.errstate(all="ignore"):
            flat[places] = np.array(random.choice(values)).astype(array.dtype)
    return array


def _ask(model: palate.Model, folder: Path, random: Random) -> None:
    """Ask a model everything; each answer is one of numbers, or an error of palate's."""
    user, item = model.users[0], model.items[len(model.items) - 1]
    repr(model)
    questions = [
        lambda: model.predict(user, model.items.ids),
        lambda: model.predict("nobody", item, unknown="mean"),
        lambda: model.predict(user, model.items.ids, interval=0.9),
        lambda: model.recommend(user, 3),
        lambda: model.recommend(user, 3, by=random.choice(("prediction", "lower bound", "chance")), seed=1),
        lambda: model.recommend_batch(n=2),
        lambda: model.similar_items(item, 3),
        lambda: model.similar_users(user, 3),
        lambda: model.explain(user, item),
        lambda: model.predict(model.fold_in({item: 4.0}), model.items.ids),
        lambda: model.predict(model.fold_in({item: 4.0, model.items[0]: 1.0}), item, interval=0.9),
        lambda: model.predict(user, model.fold_in_item({user: 4.0}), interval=0.9),
        lambda: model.recommend(model.fold_in({}), 2),
        lambda: model.explain(model.fold_in({item: 4.0}), item),
        lambda: model.ask(user),
        lambda: model.item_counts,
        lambda: model.ratings(),
        lambda: model.catalogue.title(item),
        lambda: save(model, folder / "again.palate"),
    ]  # fmt: skip
    for question in random.sample(questions, 5):
        with suppress(PalateError), np.errstate(all="ignore"):
            _check_numbers(question())


def _check_numbers(answer: Any) -> None:
    """No answer holds NaN, where it is an array of predictions or a list of scored items."""
    if isinstance(answer, float):
        assert answer == answer, "a NaN is predicted"
    elif isinstance(answer, np.ndarray) and answer.dtype.kind == "f":
        assert not np.isnan(answer).any(), "a NaN is predicted"
    elif isinstance(answer, list):
        assert all(one.score == one.score for one in answer if hasattr(one, "score")), "a NaN is a score"
    elif isinstance(answer, tuple) and len(answer) == 3:
        for part in answer:
            _check_numbers(part)
