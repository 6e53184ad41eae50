"""What all requests to a running service share."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from anyio import CapacityLimiter
from fastapi import Request

from palate.service.auth import Authenticator
from palate.service.cookies import VisitorCookies
from palate.service.deadline import check_deadline
from palate.service.loaded_model import LoadedModel
from palate.service.model_holder import ModelHolder
from palate.service.profiles import ProfileFinder
from palate.service.settings import Settings
from palate.service.store import Store

__all__ = ["AppState", "app_state"]


@dataclass(frozen=True)
class AppState:
    """The settings, the model, the store, and what works on them."""

    settings: Settings
    holder: ModelHolder
    store: Store
    profiles: ProfileFinder
    authenticator: Authenticator
    cookies: VisitorCookies
    folder: TemporaryDirectory[str] | None
    #: Is set when the service ends.
    stopping: threading.Event = field(default_factory=threading.Event)

    @cached_property
    def readiness_limiter(self) -> CapacityLimiter:
        """The one thread that looks whether the store works."""
        return CapacityLimiter(1)

    @classmethod
    def open(cls, settings: Settings) -> AppState:
        """Open the model and the store.

        Raises
        ------
        StorageError, StoreError
            If one of them cannot be opened.
        """
        with ExitStack() as on_failure:
            folder = None
            if not settings.runtime:
                # Windows cannot delete files that are still mapped.
                folder = TemporaryDirectory(prefix="palate-", ignore_cleanup_errors=True)
                on_failure.callback(folder.cleanup)
            # The model comes first: no store is made for a file that is no model.
            holder = ModelHolder(settings.model, Path(folder.name if folder else settings.runtime))
            store = Store(settings.store_url, settings.busy)
            on_failure.callback(store.close)
            store.open()
            authenticator = Authenticator(settings, store)
            authenticator.refresh()  # from now on keys are known, also if the store goes away
            on_failure.pop_all()
        cookies = VisitorCookies(store, settings.secret.get_secret_value())
        return cls(settings, holder, store, ProfileFinder(), authenticator, cookies, folder)

    @property
    def loaded(self) -> LoadedModel:
        """The model that is served now. A request reads this once, because the next read may give a newer model."""
        return self.holder.current

    def close(self) -> None:
        """Close the store and remove the copies of the model."""
        self.store.close()
        if self.folder is not None:
            self.folder.cleanup()


def app_state(request: Request) -> AppState:
    """Return the state of the application that received a request.

    Raises
    ------
    DeadlineError
        If the time of the request is over, or the service ends: a request may have waited long for its thread.
    """
    check_deadline()
    state: AppState = request.app.state.palate
    return state
