"""Fitting the model anew by itself, in a process of its own."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import threading
import time

from palate.errors import SettingsError, StoreError
from palate.service.settings import Settings
from palate.service.store import Store

__all__ = ["WANTED", "Schedule", "parsed"]

#: Facts of the store: that somebody asked for a fit, and when the last one began.
WANTED, _RETRAINED = "retrain wanted", "retrained"
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_LOOK, _REST = 2.0, 600.0
_log = logging.getLogger("palate.retrain")


def parsed(text: str) -> tuple[int, float]:
    """Return after how many ratings, and after how many seconds, a fit is due; 0 for neither.

    Raises
    ------
    SettingsError
        If the text is neither a number nor a time.

    Examples
    --------
    >>> parsed("500"), parsed("6h"), parsed("")
    ((500, 0.0), (0, 21600.0), (0, 0.0))
    """
    if not text:
        return 0, 0.0
    found = re.fullmatch(r"([1-9]\d*)([smhd]?)", text.strip())
    if found is None:
        raise SettingsError(f"a fit is due after so many ratings (500) or so much time (30m, 6h, 1d), not {text!r}")
    count = int(found[1])
    return (count, 0.0) if not found[2] else (0, count * _UNITS[found[2]])


class Schedule:
    """A thread that starts `palate retrain` when it is due. One process of a service has one; workers have none."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.settings, self.store = settings, store
        self.count, self.seconds = parsed(settings.retrain_every)
        self._stop = threading.Event()
        self._running: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._loop, name="retraining", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more; a fit that is running is stopped, and the old model stays."""
        self._stop.set()
        if self._running is not None:
            self._running.terminate()
        if self._thread.is_alive():
            self._thread.join(10)

    def is_due(self) -> bool:
        """Whether somebody asked for a fit, or there is enough that is new."""
        last = float(self.store.fact(_RETRAINED) or 0)
        if float(self.store.fact(WANTED) or 0) > last:
            return True
        if self.count:
            return self.store.since(last) >= self.count
        before = last or self.settings.model.stat().st_mtime
        return bool(self.seconds) and time.time() - before >= self.seconds and self.store.since(last) > 0

    def _loop(self) -> None:
        wait = _LOOK
        while not self._stop.wait(wait):
            wait = _LOOK
            try:
                if self.is_due() and not self._fit():
                    wait = _REST
            except (StoreError, OSError) as error:
                _log.warning("nobody can tell whether a fit is due", extra={"reason": str(error)})

    def _fit(self) -> bool:
        _log.info("the model is fitted anew")
        begun = time.monotonic()
        # Settings go by the environment: what is on a command line, everybody on the machine can read.
        environment = {**os.environ, **self.settings.environment()}
        command = [sys.executable, "-m", "palate", "retrain", "--quiet"]
        self._running = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=_yield_to_answers
        )
        _, said = self._running.communicate()
        code, self._running = self._running.returncode, None
        if code:
            reason = said.decode(errors="replace").strip()[-500:]
            _log.error("the fit failed, the old model stays", extra={"code": code, "reason": reason})
        else:
            _log.info("the model was fitted anew", extra={"seconds": round(time.monotonic() - begun, 1)})
        return code == 0


def _yield_to_answers() -> None:
    os.nice(10)
