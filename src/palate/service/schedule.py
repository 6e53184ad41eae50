"""Fitting the model again automatically, in a process of its own."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import threading
import time

from palate.errors import SettingsError, StoreError
from palate.service.portable import start_in_background
from palate.service.retrains import Cause, Retrains
from palate.service.settings import Settings
from palate.service.store import Store

__all__ = ["PAUSED", "RetrainingSchedule", "parse_interval"]

#: The fact that tells whether fits by themselves pause, because the last one has failed.
PAUSED = "retraining paused"

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_LOOK_EVERY, _PAUSE_AFTER_FAILURE = 2.0, 600.0
_log = logging.getLogger("palate.retrain")


def parse_interval(text: str) -> tuple[int, float]:
    """Return the number of ratings, and the number of seconds, after which a fit is due; 0 stands for never.

    Raises
    ------
    SettingsError
        If the text is neither a number nor a time.

    Examples
    --------
    >>> parse_interval("500"), parse_interval("6h"), parse_interval("")
    ((500, 0.0), (0, 21600.0), (0, 0.0))
    """
    if not text:
        return 0, 0.0
    parts = re.fullmatch(r"([1-9]\d*)([smhd]?)", text.strip())
    if parts is None:
        raise SettingsError(f"a fit is due after a number of ratings (500) or a time (30m, 6h, 1d), not {text!r}")
    number, unit = int(parts[1]), parts[2]
    return (0, number * _UNITS[unit]) if unit else (number, 0.0)


class RetrainingSchedule:
    """A thread that starts `palate retrain` when a fit is due. Only one process of a service has this thread."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.settings, self.store, self.retrains = settings, store, Retrains(store)
        self.count, self.seconds = parse_interval(settings.retrain_every)
        self._paused_until = float("-inf")
        # When a fit is due by time, as of `time.monotonic`, and after which fit this was computed.
        self._due_at, self._due_after = float("inf"), -1
        self._stop = threading.Event()
        self._fit_process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._loop, name="retraining", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread. A fit that is running is stopped, and the old model stays."""
        self._stop.set()
        if self._fit_process is not None:
            self._fit_process.terminate()
        if self._thread.is_alive():
            self._thread.join(10)

    def cause(self) -> Cause | None:
        """Return why a fit is due now, None if none is.

        A fit that somebody asked for is due at once. The others pause after a failure.
        """
        if self.retrains.pending is not None:
            return "requested"
        if time.monotonic() < self._paused_until or not (self.count or self.seconds):
            return None
        new = self.store.count_after(self.retrains.fitted_change)
        if self.count:
            return "ratings" if new >= self.count else None
        return "time" if self._is_time() and new else None

    def _is_time(self) -> bool:
        """Whether the time between two fits has passed. A clock that can be set only tells how much passed before."""
        done = self.retrains.done
        if self._due_after != (done.id if done else 0):
            is_first_look, self._due_after = self._due_after == -1, done.id if done else 0
            before = (done.began if done else None) or self.settings.model.stat().st_mtime
            passed = min(max(time.time() - before, 0.0), self.seconds) if is_first_look else 0.0
            self._due_at = time.monotonic() + self.seconds - passed
        return time.monotonic() >= self._due_at

    def _loop(self) -> None:
        while not self._stop.wait(_LOOK_EVERY):
            try:
                if self._paused_until != float("-inf") and time.monotonic() >= self._paused_until:
                    self._pause(0.0)
                cause = self.cause()
                if cause is not None:
                    is_fitted = self._fit(self.retrains.request(cause))
                    self._pause(0.0 if is_fitted else _PAUSE_AFTER_FAILURE)
            except (StoreError, OSError) as error:
                _log.warning("whether a fit is due is unknown", extra={"reason": str(error)})

    def _pause(self, seconds: float) -> None:
        self._paused_until = time.monotonic() + seconds if seconds else float("-inf")
        self.store.set_fact(PAUSED, "yes" if seconds else "")

    def _fit(self, id: int) -> bool:
        _log.info("the model is being fitted again")
        started = time.monotonic()
        # Settings go through the environment, because everybody on the machine can read a command line.
        environment = {**os.environ, **self.settings.environment()}
        command = [sys.executable, "-m", "palate", "retrain", "--quiet"]
        self._fit_process = start_in_background(command, environment)
        _, errors = self._fit_process.communicate()
        code, self._fit_process = self._fit_process.returncode, None
        if code:
            reason = errors.decode(errors="replace").strip()[-500:]
            _log.error("the fit failed, the old model stays", extra={"code": code, "reason": reason})
            stopped = "the service ended" if self._stop.is_set() else f"it ended with code {code}"
            self.retrains.fail(id, reason or stopped)
        else:
            _log.info("the model was fitted again", extra={"seconds": round(time.monotonic() - started, 1)})
        return code == 0
