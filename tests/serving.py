"""A small model, and a service that serves it, for the tests of the service."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import warnings
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np

import palate
from palate.catalogue import Entry

#: Ids that must find their way through URLs, tables and JSON.
ODD = ["a/b", "a b", "ünï💥", "100%", "?q=1&x", "..%2f..", "'; drop table events; --", "x" * 300, "+", "a\\b"]
CSRF = {"X-Palate": "1"}
#: Seconds to wait for what must happen: a busy machine may be slow, but no test waits that long on an idle one.
PATIENCE = 300.0
#: What a Bayesian fit would have to find out by many sweeps: the service needs a model, not the best one.
PLAIN = dict.fromkeys(("user_noise", "item_noise", "user_sets", "item_sets"), False)


@cache
def fitted(text=False):
    """Return a small model that knows how sure it is; item 99 is only in the catalogue."""
    rng = np.random.default_rng(7)
    taste, kind = rng.normal(size=(40, 2)), rng.normal(size=(14, 2))
    rows = []
    for user in range(40):
        for item in rng.choice(14, 8, replace=False):
            rating = float(np.clip(np.round(3 + taste[user] @ kind[item] + rng.normal() * 0.4, 1), 1, 5))
            rows.append(
                (f"u{user}" if text else user + 1, (ODD + list("wxyz"))[item] if text else int(item) + 1, rating)
            )
    ratings = palate.read_ratings(rows, scale=(1, 5))
    model = palate.BayesianMF(factors=3, sweeps=30, seed=1, **PLAIN).fit(ratings)
    entries = {id: Entry(f"Item <b>{id}</b>", f"Text of {id}, Été & more") for id in model.items.ids.tolist()}
    entries["99" if text else 99] = Entry("", "never rated")
    import dataclasses

    return dataclasses.replace(model, catalogue=palate.Catalogue(entries))


def model_file(folder, text=False):
    path = Path(folder) / "model.palate"
    palate.save(fitted(text), path)
    return path


def settings(folder, text=False, **more):
    from palate.service.settings import Settings

    path = Path(folder) / "model.palate"
    if not path.exists():
        model_file(folder, text)
    return Settings(model=path, **more)


@contextmanager
def client(folder, text=False, **more):
    """Yield a client of an application in this process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Starlette would rather have a later httpx
        from starlette.testclient import TestClient

    from palate.service.app import make_app

    app = make_app(settings(folder, text, **more))
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as served:
        yield served


def store_of(served):
    return served.app.state.palate.store


def stale(served):
    """Make the service read the API keys again, as it does after a second."""
    served.app.state.palate.authenticator._read_at = float("-inf")


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


def until(condition):
    """Wait until a condition holds; return its value."""
    end = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < end, "the condition does not come true"
        time.sleep(0.02)
    return value


def environment(**more):
    source = str(Path(palate.__file__).parents[1])
    return {**os.environ, "PYTHONPATH": source, "OPENBLAS_NUM_THREADS": "1", **more}


class Served:
    """A service in a process of its own. It waits longer for locks and answers than a service should."""

    def __init__(self, folder, *flags, port=None, **more):
        self.folder, self.flags = Path(folder), flags
        self.port = port or free_port()
        self.more = {"PALATE_BUSY": str(PATIENCE), "PALATE_TIMEOUT": str(PATIENCE), **more}
        if not (self.folder / "model.palate").exists():
            model_file(folder)

    def start(self):
        self.log = (self.folder / "log").open("ab")
        command = [sys.executable, "-m", "palate", "serve", str(self.folder / "model.palate"), "--port", str(self.port)]
        self.process = subprocess.Popen(
            [*command, *self.flags],
            env=environment(**self.more),
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
        )
        self.wait()
        return self

    def wait(self):
        import httpx

        def is_ready():
            assert self.process.poll() is None, self.logged()
            try:
                return httpx.get(f"{self.url}/readyz", timeout=PATIENCE).status_code == 200
            except httpx.TransportError:
                return False

        until(is_ready)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def logged(self):
        return (self.folder / "log").read_text()[-3000:]

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc):
        if self.process.poll() is None:
            self.kill()
        self.log.close()


def free_port():
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def is_problem(answer, status, words=""):
    """Check that an answer is a problem document."""
    assert answer.status_code == status, (answer.status_code, answer.text[:300])
    assert answer.headers["content-type"] == "application/problem+json", answer.headers
    document = answer.json()
    assert document["status"] == status
    assert document["title"]
    assert re.search(words, document["detail"]), document
    return True
