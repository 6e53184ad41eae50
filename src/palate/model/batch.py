"""The items to recommend to many users, and to all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from palate.errors import SettingsError
from palate.frame_files import writing_frame
from palate.gpu.device import DeviceName, find_device
from palate.gpu.ranker import DeviceRanker
from palate.lazy import pl
from palate.model.arrays import Floats, Id, ModelArrays
from palate.model.explore import check_explore
from palate.model.lookup import allowed_items, user_index
from palate.model.predict import predict
from palate.model.rank_many import rank_many
from palate.model.recommend import RankBy, check_rank_by, rank_exploring
from palate.model.scored import RankedBatch
from palate.parallel import pool
from palate.ranking import BatchRanker, RankFunction, SeenRanges, check_count

__all__ = ["ListRule", "list_frames", "list_schema", "recommend_all", "recommend_batch"]

# How many users at most, and how many rows at most, are ranked before they are written.
_USERS = 8192
_ROWS = 1 << 20
# How many users a task ranks at most, and about how many scores it holds.
_TASK, _CELLS = 64, 1 << 20
_NO_ITEMS = np.empty(0, np.int32)


class ListRule(NamedTuple):
    """What lists are ranked by and chosen from: see `palate.Model.recommend`."""

    by: RankBy | None
    level: float
    lowest: bool
    allowed: NDArray[np.bool_] | None
    seed: int | None
    explore: float

    def order(self, model: ModelArrays) -> RankBy:
        """Return what lists are ranked by, or raise a `SettingsError`."""
        order = check_rank_by(model, self.by, self.lowest, self.level, self.seed)
        check_explore(self.explore, lowest=self.lowest)
        if order == "chance":
            raise SettingsError("lists by 'chance' are drawn for one user at a time: call recommend")
        return order


def recommend_batch(
    model: ModelArrays,
    users: ArrayLike | None,
    n: int,
    *,
    lowest: bool,
    seen: bool,
    only: Iterable[Id] | None,
    exclude: Iterable[Id],
    least: int,
    by: RankBy | None,
    level: float,
    seed: int | None,
    explore: float,
    threads: int | None,
) -> RankedBatch:
    """Return the n best items of many users: see `palate.Model.recommend_batch`."""
    user = user_index(model, users)
    place = _Place(threads, "cpu", len(user))
    rule = ListRule(by, level, lowest, allowed_items(model, only, exclude, least), seed, explore)
    with _opened(model, rule, place) as rank:
        return RankedBatch(*rank(user, n, seen), model.users.ids[user], model.items.ids)


def recommend_all(
    model: ModelArrays,
    path: str | Path,
    n: int,
    *,
    users: ArrayLike | None,
    titles: bool,
    intervals: bool,
    lowest: bool,
    seen: bool,
    only: Iterable[Id] | None,
    exclude: Iterable[Id],
    least: int,
    by: RankBy | None,
    level: float,
    seed: int | None,
    explore: float,
    threads: int | None,
    device: DeviceName,
    progress: Callable[[int, int], None] | None,
) -> int:
    """Write the n best items of all users to a file: see `palate.Model.recommend_all`."""
    user, rows, done = user_index(model, users), 0, 0
    rule = ListRule(by, level, lowest, allowed_items(model, only, exclude, least), seed, explore)
    frames = list_frames(
        model, user, n, rule, titles=titles, intervals=intervals, seen=seen, threads=threads, device=device
    )
    with writing_frame(Path(path), list_schema(model, titles, intervals)) as write:
        for size, frame in frames:
            write(frame)
            rows, done = rows + len(frame), done + size
            if progress:
                progress(done, len(user))
    return rows


def list_frames(
    model: ModelArrays,
    user: NDArray[np.int32],
    n: int,
    rule: ListRule,
    *,
    titles: bool,
    intervals: bool,
    seen: bool,
    threads: int | None,
    device: DeviceName,
) -> Iterator[tuple[int, pl.DataFrame]]:
    """Yield the n best items of users by index, some users at a time: how many they are, and their rows."""
    check_count(n)
    n = min(int(n), max(1, len(model.items)))  # so that memory grows with the items, not with a large n
    schema, ranking = list_schema(model, titles, intervals), _opened(model, rule, _Place(threads, device, len(user)))
    item_titles = np.full(len(model.items), None, object)
    step = max(1, min(_USERS, _ROWS // n))
    with ranking as rank:
        for start in range(0, len(user), step):
            part = user[start : start + step]
            items, values = rank(part, n, seen)
            row, place = np.nonzero(items >= 0)
            item = items[row, place]
            columns = {
                "user": model.users.ids[part[row]],
                "rank": place.astype(np.int32) + np.int32(1),
                "item": model.items.ids[item],
                "score": values[row, place],
            }
            if intervals:
                ends = predict(model, columns["user"], columns["item"], "error", rule.level)
                columns |= {"low": ends.low, "high": ends.high}
            if titles:
                _make_titles(model, item, item_titles)
                columns["title"] = item_titles[item]
            yield len(part), pl.DataFrame(columns, schema=schema)


def _make_titles(model: ModelArrays, items: NDArray[np.int32], titles: NDArray[np.object_]) -> None:
    """Fill in the titles of those items that have none yet."""
    for item in np.unique(items[titles[items] == None]).tolist():  # noqa: E711 - for each of the array
        titles[item] = model.catalogue.title(model.items[item])


def list_schema(model: ModelArrays, titles: bool, intervals: bool) -> dict[str, Any]:
    """Return the columns of `recommend_all` and their Polars types."""
    user_type, item_type = (pl.String if side.is_text else pl.Int64 for side in (model.users, model.items))
    schema: dict[str, Any] = {"user": user_type, "rank": pl.Int32, "item": item_type, "score": pl.Float32}
    if intervals:
        model.require_posterior()
        schema |= {"low": pl.Float32, "high": pl.Float32}
    return schema | {"title": pl.String} if titles else schema


class _Ranking(Protocol):
    def __call__(self, user: NDArray[np.int32], n: int, seen: bool, /) -> tuple[NDArray[np.int32], Floats]: ...


class _Place(NamedTuple):
    """Where lists are computed: the number of threads, the device that was asked for, and for how many users."""

    threads: int | None
    device: DeviceName
    users: int

    def ranker(self, model: ModelArrays, allowed: NDArray[np.bool_] | None, lowest: bool) -> BatchRanker:
        """Return what ranks items by their predictions."""
        card = find_device(self.device, float(self.users) * model.item_factors.size)
        if card is None:
            return BatchRanker(model.item_factors, model.item_bias, allowed, lowest)
        return DeviceRanker(card, model.item_factors, model.item_bias, allowed, lowest)


@contextmanager
def _opened(model: ModelArrays, rule: ListRule, place: _Place) -> Iterator[_Ranking]:
    """Yield a function that ranks for users by index: it returns items, -1 where too few are left, and scores."""
    order = rule.order(model)
    if order == "prediction" and not rule.explore:
        with place.ranker(model, rule.allowed, rule.lowest).opened(place.threads) as rank_block:
            yield lambda user, n, seen: _rank_by_prediction(model, rank_block, user, n, seen)
        return
    if place.device == "cuda":
        other = "with a share for exploration" if rule.explore else f"by {order!r}"
        raise SettingsError(f"a graphics card ranks by 'prediction', not {other}: choose device='cpu'")
    with pool(place.threads) as run:

        def rank(user: NDArray[np.int32], n: int, seen: bool, /) -> tuple[NDArray[np.int32], Floats]:
            check_count(n)
            items, values = np.full((len(user), n), -1, np.int32), np.full((len(user), n), np.nan, np.float32)

            # Users with about as many ratings are ranked together: kernels of choice heads work on several at once.
            counts = np.zeros(len(user)) if model.seen is None else np.diff(model.seen.indptr)[user]
            by_activity = np.argsort(counts, kind="stable")

            def rank_users(part: slice) -> None:
                rows = by_activity[part]
                block = user[rows]
                hidden = [_NO_ITEMS if seen or model.seen is None else model.seen[index][0] for index in block.tolist()]
                if rule.explore:
                    ranked = [
                        rank_exploring(
                            model,
                            model.users[index],
                            n,
                            rule.explore,
                            order,
                            rule.allowed,
                            rated,
                            rule.level,
                            rule.seed,
                        )
                        for index, rated in zip(block.tolist(), hidden, strict=True)
                    ]
                else:
                    ranked = rank_many(model, block, n, order, rule.lowest, rule.allowed, hidden, rule.level)
                for row, (chosen, score) in zip(rows.tolist(), ranked, strict=True):
                    items[row, : len(chosen)], values[row, : len(chosen)] = chosen, score

            # Kernels are loaded before the threads start: see BatchRanker.
            from palate.kernels import interest, ranking  # noqa: F401  NumPy's work is theirs once they are loaded

            step = max(1, min(_TASK, _CELLS // max(1, len(model.items))))
            rank_users(slice(0, min(1, len(user))))
            run(rank_users, [slice(at, min(at + step, len(user))) for at in range(1, len(user), step)])
            return items, values

        yield rank


def _rank_by_prediction(
    model: ModelArrays, rank: RankFunction, user: NDArray[np.int32], n: int, seen: bool
) -> tuple[NDArray[np.int32], Floats]:
    offsets = (model.intercept + model.user_bias[user].astype(np.float64)).astype(np.float32)
    items, values = rank(model.user_factors[user], offsets, n, None if seen else _seen_ranges(model, user))
    return items, np.asarray(model.scale.clip(values), np.float32)


def _seen_ranges(model: ModelArrays, user: NDArray[np.int32]) -> SeenRanges | None:
    if model.seen is None:
        return None
    indptr = model.seen.indptr.astype(np.int64, copy=False)
    return SeenRanges(indptr[user], indptr[user + 1], model.seen_items)
