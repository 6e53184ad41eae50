"""A client of a running service: the same questions as to a model, over HTTP."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any, Literal, NotRequired, Self, TypedDict, cast
from urllib.parse import quote

from palate.errors import DataError, MissingExtraError, ServiceError, SettingsError, UnknownIdError
from palate.moments import Moment

if TYPE_CHECKING:
    import httpx
    import tenacity

__all__ = ["Client"]

Id = int | str
# Responses after which the same request is sent again: too many requests, or not available.
_RETRIED_STATUS = frozenset({429, 503})
_LONGEST_PAUSE = 10.0
# Longer queries are sent as a body: servers and proxies accept addresses of some 8,000 characters.
_LONGEST_QUERY = 4000


class Reason(TypedDict):
    """A rated item, and how many points it adds to a prediction."""

    item: Id
    title: str
    rating: float
    contribution: float


class Recommendation(TypedDict):
    """An item with its predicted rating, and with what else was asked for."""

    item: Id
    title: str
    prediction: float
    score: NotRequired[float]
    low: NotRequired[float]
    high: NotRequired[float]
    text: NotRequired[str]
    because: NotRequired[list[Reason]]


class PredictedRating(TypedDict):
    """A predicted rating, with the ends of its interval if a level was given."""

    user: Id | None
    item: Id
    prediction: float
    low: NotRequired[float]
    high: NotRequired[float]
    level: NotRequired[float]
    at: NotRequired[int | float | str]
    times: NotRequired[bool]


class ExplainedPrediction(TypedDict):
    """The parts of a prediction: intercept + contributions + remainder."""

    user: Id | None
    item: Id
    title: str
    prediction: float
    intercept: float
    remainder: float
    contributions: list[Reason]


class Question(TypedDict):
    """An item, and the share of the uncertainty about the user that its rating would remove."""

    item: Id
    title: str
    text: str
    tells: float


class Neighbour(TypedDict):
    """An item or a user, and its similarity."""

    id: Id
    title: str
    similarity: float


class ItemDetails(TypedDict):
    """An item. Without a score it was never rated."""

    item: Id
    title: str
    text: str
    ratings: int
    mean: float | None
    has_score: bool


class Client:
    """Asks a running service. Threads may share a client; as a context manager it closes its connections.

    Sending a request twice does no harm. So every request is sent again, after pauses that grow, when the service
    cannot be reached, is busy, or cannot use its store.

    Parameters
    ----------
    url
        The address of the service, such as "http://127.0.0.1:8000".
    key
        An API key.
    timeout
        Seconds to wait for a response.
    retries
        How often to send a failed request again.

    Raises
    ------
    UnknownIdError
        From every method, if a user or an item is unknown.
    DataError, SettingsError
        If a rating, an id or a parameter is impossible.
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

    # Questions

    def model(self) -> dict[str, Any]:
        """Return what the model is made of."""
        return cast(dict[str, Any], self._ask("GET", "/v1/model"))

    def items(self, words: str = "", n: int = 20, offset: int = 0) -> list[ItemDetails]:
        """Return items whose title or text contains all the words, the most rated first."""
        return cast(
            list[ItemDetails], self._ask("GET", "/v1/items", {"q": words, "n": n, "offset": offset}, field="items")
        )

    def item(self, item: Id) -> ItemDetails:
        """Return one item."""
        return cast(ItemDetails, self._ask("GET", f"/v1/items/{_path_part(item)}"))

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
        by: Literal["interest", "choice", "prediction", "lower bound", "chance"] | None = None,
        level: float | None = None,
        seed: int | None = None,
        explore: float = 0.0,
        at: Moment | None = None,
        texts: bool = False,
        reasons: int = 0,
    ) -> list[Recommendation]:
        """Recommend to a user, or to an anonymous user with these ratings (item → rating); see `Model.recommend`.

        `level` adds the interval that contains the rating with this probability, `texts` the texts of the items, and
        `reasons` the number of rated items that raise each prediction most. `at` is the moment of the list, as in
        `Model.at`.
        """
        options: dict[str, Any] = {"n": n, "offset": offset, "lowest": lowest, "seen": seen, "least": least}
        options |= {"exclude": _ids(exclude), "texts": texts, "reasons": reasons, "explore": explore}
        optional = {"only": None if only is None else _ids(only), "by": by, "level": level, "seed": seed, "at": at}
        options |= {name: value for name, value in optional.items() if value is not None}
        if isinstance(user, Mapping):
            body = {"ratings": _rating_body(user), **options}
            rows = self._ask("POST", "/v1/anonymous/recommendations", body=body, field="recommendations")
        elif (
            options.get("only") == [] or _query_length(options) > _LONGEST_QUERY
        ):  # a query cannot say that a list is empty
            [rows] = self.recommend_batch([user], **options).values()
        else:
            rows = self._ask("GET", f"/v1/users/{_path_part(user)}/recommendations", options, field="recommendations")
        return cast(list[Recommendation], rows)

    def recommend_batch(self, users: Iterable[Id], n: int = 10, **options: Any) -> dict[Id, list[Recommendation]]:
        """Recommend to several users: user → recommendations. The keywords are those of `recommend`."""
        options |= {name: _ids(options[name]) for name in ("only", "exclude") if options.get(name) is not None}
        body = {"users": _ids(users), "n": n, **options}
        answers = self._ask("POST", "/v1/recommendations", body=body, field="answers")
        return {answer["user"]: answer["recommendations"] for answer in answers}

    def predict(self, user: Id, item: Id, *, level: float | None = None, at: Moment | None = None) -> PredictedRating:
        """Predict one rating, at a moment if one is given."""
        query = {name: value for name, value in (("level", level), ("at", at)) if value is not None}
        return cast(
            PredictedRating, self._ask("GET", f"/v1/users/{_path_part(user)}/predictions/{_path_part(item)}", query)
        )

    def predict_batch(
        self, pairs: Iterable[tuple[Id, Id]], *, level: float | None = None, at: Moment | None = None
    ) -> list[PredictedRating]:
        """Predict the ratings of (user, item) pairs, in their order; all at one moment if it is given."""
        body = {"pairs": [{"user": _id(user), "item": _id(item)} for user, item in pairs], "level": level, "at": at}
        return cast(list[PredictedRating], self._ask("POST", "/v1/predictions", body=body, field="predictions"))

    def explain(
        self, user: Id | Mapping[Id, float], item: Id, n: int = 10, *, at: Moment | None = None
    ) -> ExplainedPrediction:
        """List which ratings raise and lower a prediction, and by how much."""
        moment = {} if at is None else {"at": at}
        if isinstance(user, Mapping):
            body = {"ratings": _rating_body(user), "n": n, **moment}
            return cast(
                ExplainedPrediction, self._ask("POST", f"/v1/anonymous/explanations/{_path_part(item)}", body=body)
            )
        return cast(
            ExplainedPrediction,
            self._ask("GET", f"/v1/users/{_path_part(user)}/explanations/{_path_part(item)}", {"n": n, **moment}),
        )

    def ask(self, user: Id | Mapping[Id, float], n: int = 10) -> list[Question]:
        """List the items whose rating would tell most about the user."""
        if isinstance(user, Mapping):
            body = {"ratings": _rating_body(user), "n": n}
            return cast(list[Question], self._ask("POST", "/v1/anonymous/questions", body=body, field="questions"))
        rows = self._ask("GET", f"/v1/users/{_path_part(user)}/questions", {"n": n}, field="questions")
        return cast(list[Question], rows)

    def similar_items(self, item: Id, n: int = 10, *, by: Literal["cosine", "dot"] = "cosine") -> list[Neighbour]:
        """List the most similar items: the same users like them."""
        rows = self._ask("GET", f"/v1/items/{_path_part(item)}/similar", {"n": n, "by": by}, field="similar")
        return cast(list[Neighbour], rows)

    def similar_users(self, user: Id, n: int = 10, *, by: Literal["cosine", "dot"] = "cosine") -> list[Neighbour]:
        """List the users with the most similar taste."""
        rows = self._ask("GET", f"/v1/users/{_path_part(user)}/similar", {"n": n, "by": by}, field="similar")
        return cast(list[Neighbour], rows)

    # Ratings

    def ratings(self, user: Id) -> dict[Id, float]:
        """Return all ratings of a user: item → rating."""
        rows = self._ask("GET", f"/v1/users/{_path_part(user)}/ratings", field="ratings")
        return {row["item"]: row["rating"] for row in rows}

    def rate(self, user: Id, ratings: Mapping[Id, float | None]) -> None:
        """Store ratings: item → rating; None withdraws one. When this returns they are on the disk of the service."""
        self._ask("PATCH", f"/v1/users/{_path_part(user)}/ratings", body={"ratings": _rating_body(ratings)})

    def forget(self, user: Id) -> None:
        """Delete all ratings of a user."""
        self._ask("DELETE", f"/v1/users/{_path_part(user)}/ratings")

    # The request

    def _ask(
        self, method: str, path: str, query: Mapping[str, Any] | None = None, body: Any = None, field: str = ""
    ) -> Any:
        """Send a request, again if necessary, and return the response or one field of it."""
        import httpx
        import tenacity

        if self._http.is_closed:
            raise ServiceError("this client is closed: make another one")
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self.retries + 1),
            wait=_pause,
            retry=tenacity.retry_if_exception_type(httpx.TransportError) | tenacity.retry_if_result(_is_retried),
            retry_error_callback=_last_outcome,
            sleep=time.sleep,
        )
        try:
            response = retrying(self._http.request, method, path, params=_plain(query), json=_plain(body))
        except httpx.TransportError as error:
            raise ServiceError(f"{self._http.base_url} cannot be reached: {error}") from error
        except httpx.RequestError as error:
            raise ServiceError(f"{self._http.base_url} sends no response that can be read: {error}") from error
        except (httpx.InvalidURL, TypeError, ValueError, RecursionError) as error:
            raise DataError(f"the request cannot be sent: {error}") from error
        return _read(response, field)


def _is_retried(response: httpx.Response) -> bool:
    return response.status_code in _RETRIED_STATUS


def _pause(state: tenacity.RetryCallState) -> float:
    """Return the seconds to wait before the next attempt: twice as long each time, and as long as the service asks."""
    asked = 0.0
    if state.outcome is not None and not state.outcome.failed:
        seconds = state.outcome.result().headers.get("Retry-After", "")
        asked = float(seconds) if seconds.isdecimal() else 0.0
    pause = max(asked, 0.1 * 2.0 ** (state.attempt_number - 1))
    return min(_LONGEST_PAUSE, pause * random.uniform(1.0, 1.25))  # clients that failed together do not return together


def _last_outcome(state: tenacity.RetryCallState) -> httpx.Response:
    """Return the response of the last attempt, or raise its exception."""
    assert state.outcome is not None
    response: httpx.Response = state.outcome.result()
    return response


def _plain(value: Any) -> Any:
    """Return the same without NumPy's numbers and dates, which JSON does not take."""
    if isinstance(value, Mapping):
        return {_plain(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, date):
        return value.isoformat()
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
    return [_id(value) for value in values]


def _path_part(id: Id) -> str:
    text = str(_id(id))
    if text in (".", ".."):
        raise DataError(f"the id {text!r} cannot be part of an address")
    try:
        return quote(text, safe="")
    except UnicodeEncodeError as error:
        raise DataError(f"the id {text!r} is no text that can be sent") from error


def _query_length(options: Mapping[str, Any]) -> int:
    """Return about how long a query becomes."""
    ids = [*options["exclude"], *options.get("only", ())]
    return sum(
        len("&exclude=") + len(str(id).encode("utf-8", "surrogatepass")) * (3 if isinstance(id, str) else 1)
        for id in ids
    )


def _rating_body(ratings: Mapping[Id, float | None]) -> dict[str, float | None]:
    return {str(_id(item)): rating for item, rating in ratings.items()}


def _read(response: httpx.Response, field: str) -> Any:
    request = f"{response.request.method} {response.request.url.path}"
    if response.is_success:
        try:
            body: Any = response.json() if response.content else None
            return body[field] if field else body
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ServiceError(f"{request}: palate does not answer like this: {response.text[:100]!r}") from error
    try:
        problem = response.json()
        detail, title = str(problem["detail"]), str(problem["title"])
    except (ValueError, KeyError, TypeError):  # the response comes from a proxy, not from palate
        detail, title = response.text[:200], ""
    if response.status_code == 404 and title == "Unknown id":
        raise UnknownIdError(detail)
    if response.status_code == 422:
        raise DataError(detail) if title.startswith("A rating") else SettingsError(detail)
    raise ServiceError(f"{request}: {response.status_code}, {detail}")
