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
from palate.service.settings import Settings
from palate.service.store import RETRAIN_REQUESTED, RETRAINED, Store

__all__ = ["RetrainingSchedule", "parse_interval"]

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
        self.settings, self.store = settings, store
        self.count, self.seconds = parse_interval(settings.retrain_every)
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

    def is_due(self) -> bool:
        """Whether somebody asked for a fit, or enough ratings or time have come since the last one."""
        last = float(self.store.fact(RETRAINED) or 0)
        if float(self.store.fact(RETRAIN_REQUESTED) or 0) > last:
            return True
        if self.count:
            return self.store.count_since(last) >= self.count
        before = last or self.settings.model.stat().st_mtime
        return bool(self.seconds) and time.time() - before >= self.seconds and self.store.count_since(last) > 0

    def _loop(self) -> None:
        wait = _LOOK_EVERY
        while not self._stop.wait(wait):
            wait = _LOOK_EVERY
            try:
                if self.is_due() and not self._fit():
                    wait = _PAUSE_AFTER_FAILURE
            except (StoreError, OSError) as error:
                _log.warning("whether a fit is due is unknown", extra={"reason": str(error)})

    def _fit(self) -> bool:
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
        else:
            _log.info("the model was fitted again", extra={"seconds": round(time.monotonic() - started, 1)})
        return code == 0
