"""A client of a running service: the same questions as to a model, over HTTP."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, NotRequired, Self, TypedDict, cast
from urllib.parse import quote

from palate.errors import DataError, MissingExtraError, ServiceError, SettingsError, UnknownIdError

if TYPE_CHECKING:
    import httpx

__all__ = ["Client"]

Id = int | str
_AGAIN = frozenset({429, 503})
_LONGEST_WAIT = 10.0
# Longer queries go as a body: servers and proxies take addresses of some 8,000 characters.
_LONGEST_QUERY = 4000


class Because(TypedDict):
    """A rating that speaks for (or against) a prediction, by so many points."""

    item: Id
    title: str
    rating: float
    contribution: float


class Recommendation(TypedDict):
    """An item with its predicted rating, and what else was asked for."""

    item: Id
    title: str
    prediction: float
    score: NotRequired[float]
    low: NotRequired[float]
    high: NotRequired[float]
    text: NotRequired[str]
    because: NotRequired[list[Because]]


class Predicted(TypedDict):
    """A predicted rating, with the ends of its interval if a level was given."""

    user: Id | None
    item: Id
    prediction: float
    low: NotRequired[float]
    high: NotRequired[float]
    level: NotRequired[float]


class Explained(TypedDict):
    """How a prediction comes about."""

    user: Id | None
    item: Id
    title: str
    prediction: float
    intercept: float
    remainder: float
    contributions: list[Because]


class Question(TypedDict):
    """An item, and which share of what is not known of the user its rating would tell."""

    item: Id
    title: str
    text: str
    tells: float


class Likeness(TypedDict):
    """An item or a user, and how alike it is."""

    id: Id
    title: str
    similarity: float


class Item(TypedDict):
    """An item; without a score it was never rated."""

    item: Id
    title: str
    text: str
    ratings: int
    mean: float | None
    has_score: bool


class Client:
    """Asks a running service. It can be shared by threads, and closes with ``with``.

    Every request can be made twice without harm, so all are made again, after a pause that grows, when the service
    cannot be reached, is busy or its store is locked.

    Parameters
    ----------
    url
        Where the service is, such as "http://127.0.0.1:8000".
    key
        An API key.
    timeout
        Seconds to wait for an answer.
    retries
        How often to ask again.

    Raises
    ------
    UnknownIdError
        By every method, if a user or an item is unknown.
    DataError, SettingsError
        If a rating, or what is asked for, is impossible.
    ServiceError
        If the service cannot be reached, refuses, or fails.
    """

    def __init__(
        self, url: str = "http://127.0.0.1:8000", *, key: str | None = None, timeout: float = 10.0, retries: int = 4
    ) -> None:
        try:
            import httpx
        except ImportError as error:
            raise MissingExtraError("a client", "serve") from error
        if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
            raise SettingsError(f"retries must be an integer from 0 on, not {retries!r}")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self.retries = retries
        try:
            self._http: httpx.Client = httpx.Client(base_url=url.rstrip("/"), headers=headers, timeout=timeout)
        except (httpx.InvalidURL, ValueError, TypeError, AttributeError) as error:
            raise SettingsError(f"no client can be made for {url!r} with this key and timeout: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    # Asking

    def model(self) -> dict[str, Any]:
        """Return what the model is made of."""
        return cast(dict[str, Any], self._ask("GET", "/v1/model"))

    def items(self, words: str = "", n: int = 20, offset: int = 0) -> list[Item]:
        """Return items that hold all the words, those rated most first."""
        return cast(list[Item], self._ask("GET", "/v1/items", {"q": words, "n": n, "offset": offset}, field="items"))

    def item(self, item: Id) -> Item:
        """Return one item."""
        return cast(Item, self._ask("GET", f"/v1/items/{_part(item)}"))

    def recommend(
        self,
        user: Id | Mapping[Id, float],
        n: int = 10,
        *,
        offset: int = 0,
        lowest: bool = False,
        seen: bool = False,
        only: Iterable[Id] | None = None,
        exclude: Iterable[Id] = (),
        least: int = 0,
        by: Literal["prediction", "lower bound", "chance"] = "prediction",
        level: float | None = None,
        seed: int | None = None,
        texts: bool = False,
        reasons: int = 0,
    ) -> list[Recommendation]:
        """Recommend to a user, or to whoever gave these ratings (item → rating); see `Model.recommend`.

        `level` adds the interval that holds this share, `texts` the items' texts, `reasons` so many rated items that
        speak for each.
        """
        wanted: dict[str, Any] = {"n": n, "offset": offset, "lowest": lowest, "seen": seen, "least": least, "by": by}
        wanted |= {"exclude": _ids(exclude), "texts": texts, "reasons": reasons}
        wanted |= {
            name: value
            for name, value in (("only", None if only is None else _ids(only)), ("level", level), ("seed", seed))
            if value is not None
        }
        if isinstance(user, Mapping):
            body = {"ratings": _given(user), **wanted}
            found = self._ask("POST", "/v1/anonymous/recommendations", body=body, field="recommendations")
        elif wanted.get("only") == [] or _length(wanted) > _LONGEST_QUERY:  # a query cannot say that a list is empty
            [found] = self.recommend_batch([user], **wanted).values()
        else:
            found = self._ask("GET", f"/v1/users/{_part(user)}/recommendations", wanted, field="recommendations")
        return cast(list[Recommendation], found)

    def recommend_batch(self, users: Iterable[Id], n: int = 10, **wanted: Any) -> dict[Id, list[Recommendation]]:
        """Recommend to several users: user → recommendations. The keywords are those of `recommend`."""
        wanted |= {name: _ids(wanted[name]) for name in ("only", "exclude") if wanted.get(name) is not None}
        found = self._ask("POST", "/v1/recommendations", body={"users": _ids(users), "n": n, **wanted}, field="answers")
        return {answer["user"]: answer["recommendations"] for answer in found}

    def predict(self, user: Id, item: Id, *, level: float | None = None) -> Predicted:
        """Predict one rating."""
        query = {} if level is None else {"level": level}
        return cast(Predicted, self._ask("GET", f"/v1/users/{_part(user)}/predictions/{_part(item)}", query))

    def predict_batch(self, pairs: Iterable[tuple[Id, Id]], *, level: float | None = None) -> list[Predicted]:
        """Predict the ratings of (user, item) pairs, in their order."""
        body = {"pairs": [{"user": _id(user), "item": _id(item)} for user, item in pairs], "level": level}
        return cast(list[Predicted], self._ask("POST", "/v1/predictions", body=body, field="predictions"))

    def explain(self, user: Id | Mapping[Id, float], item: Id, n: int = 10) -> Explained:
        """Say which ratings speak for and against a prediction."""
        if isinstance(user, Mapping):
            body = {"ratings": _given(user), "n": n}
            return cast(Explained, self._ask("POST", f"/v1/anonymous/explanations/{_part(item)}", body=body))
        return cast(Explained, self._ask("GET", f"/v1/users/{_part(user)}/explanations/{_part(item)}", {"n": n}))

    def ask(self, user: Id | Mapping[Id, float], n: int = 10) -> list[Question]:
        """Name the items whose rating would tell most."""
        if isinstance(user, Mapping):
            body = {"ratings": _given(user), "n": n}
            return cast(list[Question], self._ask("POST", "/v1/anonymous/questions", body=body, field="questions"))
        found = self._ask("GET", f"/v1/users/{_part(user)}/questions", {"n": n}, field="questions")
        return cast(list[Question], found)

    def similar_items(self, item: Id, n: int = 10, *, by: Literal["cosine", "dot"] = "cosine") -> list[Likeness]:
        """Find items that the same people like."""
        found = self._ask("GET", f"/v1/items/{_part(item)}/similar", {"n": n, "by": by}, field="similar")
        return cast(list[Likeness], found)

    def similar_users(self, user: Id, n: int = 10, *, by: Literal["cosine", "dot"] = "cosine") -> list[Likeness]:
        """Find users with the same taste."""
        found = self._ask("GET", f"/v1/users/{_part(user)}/similar", {"n": n, "by": by}, field="similar")
        return cast(list[Likeness], found)

    # Ratings

    def ratings(self, user: Id) -> dict[Id, float]:
        """Return all ratings of a user: item → rating."""
        found = self._ask("GET", f"/v1/users/{_part(user)}/ratings", field="ratings")
        return {row["item"]: row["rating"] for row in found}

    def rate(self, user: Id, ratings: Mapping[Id, float | None]) -> None:
        """Store ratings, item → rating, None to withdraw one; when this returns they are on the service's disk."""
        self._ask("PATCH", f"/v1/users/{_part(user)}/ratings", body={"ratings": _given(ratings)})

    def forget(self, user: Id) -> None:
        """Delete all ratings of a user."""
        self._ask("DELETE", f"/v1/users/{_part(user)}/ratings")

    # One way for all requests

    def _ask(
        self, method: str, path: str, query: Mapping[str, Any] | None = None, body: Any = None, field: str = ""
    ) -> Any:
        """Return what is answered, or one field of it."""
        import httpx

        if self._http.is_closed:
            raise ServiceError("this client is closed: make another one")
        for attempt in range(self.retries + 1):
            last = attempt == self.retries
            try:
                answer = self._http.request(method, path, params=_plain(query), json=_plain(body))
            except httpx.TransportError as error:
                if last:
                    raise ServiceError(f"{self._http.base_url} cannot be reached: {error}") from error
                wait = 0.0
            except httpx.RequestError as error:
                raise ServiceError(f"{self._http.base_url} gives no answer that can be read: {error}") from error
            except (httpx.InvalidURL, TypeError, ValueError, RecursionError) as error:
                raise DataError(f"what is asked cannot be sent: {error}") from error
            else:
                if answer.status_code not in _AGAIN or last:
                    return _read(answer, field)
                wait = _seconds(answer.headers.get("Retry-After", ""))
            time.sleep(min(_LONGEST_WAIT, max(wait, 0.1 * 2**attempt) * random.uniform(1.0, 1.25)))
        raise AssertionError("unreachable")  # pragma: no cover


def _plain(value: Any) -> Any:
    """Return the same without NumPy's numbers, which JSON does not take."""
    if isinstance(value, Mapping):
        return {_plain(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value.item() if hasattr(value, "dtype") and not getattr(value, "shape", ()) else value


def _id(value: Any) -> Id:
    """Return a plain id: an integer, or text that a path can hold."""
    value = _plain(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        raise DataError(f"an id is an integer or text, not {value!r}")
    return value


def _ids(values: Iterable[Id]) -> list[Id]:
    values = _plain(values)
    if isinstance(values, str | int):  # one id, as `Model` takes it
        return [_id(values)]
    if isinstance(values, bytes) or not isinstance(values, Iterable):
        raise DataError(f"ids come as a list, not as {values!r}")
    return [_id(one) for one in values]


def _part(id: Id) -> str:
    text = str(_id(id))
    if text in (".", ".."):
        raise DataError(f"the id {text!r} cannot be part of an address")
    try:
        return quote(text, safe="")
    except UnicodeEncodeError as error:
        raise DataError(f"the id {text!r} is no text that can be sent") from error


def _length(wanted: Mapping[str, Any]) -> int:
    """Return about how long a query becomes."""
    ids = [*wanted["exclude"], *wanted.get("only", ())]
    return sum(
        len("&exclude=") + len(str(id).encode("utf-8", "surrogatepass")) * (3 if isinstance(id, str) else 1)
        for id in ids
    )


def _given(ratings: Mapping[Id, float | None]) -> dict[str, float | None]:
    return {str(_id(item)): rating for item, rating in ratings.items()}


def _seconds(text: str) -> float:
    return float(text) if text.isdecimal() else 0.0


def _read(answer: httpx.Response, field: str) -> Any:
    if answer.is_success:
        try:
            told: Any = answer.json() if answer.content else None
            return told[field] if field else told
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            asked = f"{answer.request.method} {answer.request.url.path}"
            raise ServiceError(f"{asked}: the answer is not one of palate's, but {answer.text[:100]!r}") from error
    try:
        problem = answer.json()
        detail, title = str(problem["detail"]), str(problem["title"])
    except (ValueError, KeyError, TypeError):  # not palate, but something before it
        detail, title = answer.text[:200], ""
    if answer.status_code == 404 and title == "Unknown id":
        raise UnknownIdError(detail)
    if answer.status_code == 422:
        raise DataError(detail) if title.startswith("A rating") else SettingsError(detail)
    raise ServiceError(f"{answer.request.method} {answer.request.url.path}: {answer.status_code}, {detail}")
