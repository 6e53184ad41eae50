"""The model is exchanged while the service runs; several workers share everything."""

import dataclasses
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

import palate
from palate.errors import StorageError
from palate.retraining import retrain
from palate.service.model_holder import ModelHolder
from serving import PATIENCE, Served, client, environment, fitted, model_file, until


def another():
    """Return a model of the same users and items that predicts something else."""
    model = fitted()
    return dataclasses.replace(model, item_bias=-model.item_bias, item_factors=-model.item_factors)


def test_a_new_file_is_served_and_a_bad_one_is_not(tmp_path):
    path = model_file(tmp_path)
    first = path.read_bytes()
    with client(tmp_path) as served:
        answers = served.get("/v1/users/5/recommendations").json()
        tag = served.get("/v1/model").json()["model"]
        for bad in (b"", b"nonsense" * 100, first[:-1000], first[:2000], bytes(len(first))):
            path.write_bytes(bad)  # in place, over what is being served
            refused = until(lambda: served.get("/v1/model").json()["refused"])
            assert "model.palate" in refused
            assert "/" not in refused  # clients must not learn where the file is
            assert served.get("/v1/users/5/recommendations").json() == answers
            assert served.get("/v1/model").json()["model"] == tag
            path.write_bytes(first)
            until(lambda: served.get("/v1/model").json()["refused"] is None)
        path.unlink()
        assert not served.app.state.palate.holder.refresh()
        assert served.get("/v1/users/5/recommendations").json() == answers
        palate.save(another(), path)
        until(lambda: served.get("/v1/model").json()["model"] != tag)
        rows = served.get("/v1/users/5/recommendations").json()["recommendations"]
        assert [row["item"] for row in rows] == [one.id for one in another().recommend(5)]


def test_a_model_is_a_regular_file(tmp_path):
    path = tmp_path / "model.palate"
    os.mkfifo(path)
    for wrong in (path, Path("/dev/zero"), tmp_path):
        with pytest.raises(StorageError):
            ModelHolder(wrong, tmp_path)
    for wrong in (path, Path("/dev/zero")):
        with pytest.raises(StorageError, match="no regular file"):
            retrain(wrong, None)
    path.unlink()
    model_file(tmp_path)
    with client(tmp_path) as served:
        path.unlink()
        os.mkfifo(path)
        assert until(lambda: served.get("/v1/model").json()["refused"]) == "model model.palate is no regular file"


def test_a_copy_is_checked_once_and_old_ones_go(tmp_path):
    path = model_file(tmp_path)
    folder = tmp_path / "copies"
    folder.mkdir()
    one, two = ModelHolder(path, folder), ModelHolder(path, folder)
    assert [file.suffix for file in folder.iterdir()] == [".palate"]
    assert not one.has_changed()
    palate.save(another(), path)
    assert one.has_changed()
    assert one.refresh()
    assert two.current.model.recommend(5)  # this holder still has the old model, whose copy is deleted
    assert two.refresh()
    assert not two.refresh()
    assert [file.name for file in folder.iterdir()] == [f"{one.current.digest}.palate"]
    with pytest.raises(StorageError):
        ModelHolder(tmp_path / "none.palate", folder)


def test_no_request_fails_while_models_are_exchanged_under_load(tmp_path):
    import httpx

    models = [tmp_path / "a.palate", tmp_path / "b.palate"]
    palate.save(fitted(), models[0])
    palate.save(another(), models[1])
    expected = [tuple(one.id for one in model.recommend(5)) for model in (fitted(), another())]
    assert expected[0] != expected[1]
    stop, failed, seen = threading.Event(), [], []

    with Served(tmp_path, "--workers", "2", "--log", "warning") as served:

        def ask():
            with httpx.Client(base_url=served.url, timeout=PATIENCE) as web:
                while not stop.is_set():
                    answer = web.get("/v1/users/5/recommendations")
                    if answer.status_code != 200:
                        failed.append(answer.text)
                    else:
                        seen.append(tuple(row["item"] for row in answer.json()["recommendations"]))

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            for turn in range(1, 7):
                fresh = tmp_path / "fresh"
                shutil.copy(models[turn % 2], fresh)
                fresh.replace(tmp_path / "model.palate")
                before = len(seen)
                # Whatever workers the three connections lead to, in the end all of them answer with the new model.
                until(lambda: failed or (len(seen) > before + 30 and set(seen[-30:]) == {expected[turn % 2]}))  # noqa: B023
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert served.stop() in (0, -15)
    assert failed == []
    assert set(seen) == set(expected)


def test_two_workers_that_write_at_once_lose_nothing(tmp_path):
    import httpx

    with Served(tmp_path, "--workers", "2", "--log", "warning") as served:
        failed = []

        def write(name):
            # A connection for each request, so that both workers get some.
            limits = httpx.Limits(max_keepalive_connections=0)
            with httpx.Client(base_url=served.url, limits=limits, timeout=PATIENCE) as web:
                for turn in range(30):
                    url, rating = f"/v1/users/{name}/ratings/{1 + turn % 14}", 1 + turn % 5
                    written, read = web.put(url, json={"rating": rating}), web.get(url)
                    if written.status_code != 204 or read.json().get("rating") != rating:
                        failed.append((written.text, read.text))

        threads = [threading.Thread(target=write, args=(f"{900 + at}",)) for at in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []
        text = httpx.get(f"{served.url}/metrics", timeout=PATIENCE).text
        counted = sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith("palate_events_total"))
        assert counted == 120  # by both workers together
        for at in range(4):
            rows = httpx.get(f"{served.url}/v1/users/{900 + at}/ratings", timeout=PATIENCE).json()["ratings"]
            assert {row["item"]: row["rating"] for row in rows} == {
                1 + turn % 14: 1 + turn % 5 for turn in range(16, 30)
            }


def test_workers_end_when_their_supervisor_is_killed(tmp_path):
    with Served(tmp_path, "--workers", "2", "--log", "warning") as served:
        served.process.kill()
        served.process.wait()

        def is_gone():
            try:
                os.killpg(served.process.pid, 0)
            except ProcessLookupError:
                return True
            return False

        try:
            until(is_gone)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(served.process.pid, signal.SIGKILL)


def test_what_cannot_be_served_is_one_line_and_makes_no_store(tmp_path):
    def refused(*arguments):
        command = [sys.executable, "-m", "palate", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=PATIENCE)
        assert (done.returncode, done.stderr.count("\n"), done.stdout) == (2, 1, ""), done
        return done.stderr

    good, bad, none = model_file(tmp_path), tmp_path / "bad.palate", tmp_path / "none.palate"
    bad.write_bytes(b"nonsense")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        for workers in (1, 2):
            flags = ("--port", port, "--workers", workers)
            assert f"127.0.0.1:{port} cannot be listened on (address already in use)" in refused("serve", good, *flags)
    for workers in (1, 2):
        for path in (bad, none):
            assert str(path) in refused("serve", path, "--port", 0, "--workers", workers)
    assert str(none) in refused("retrain", none)
    assert [one.name for one in sorted(tmp_path.iterdir())] == ["bad.palate", "model.palate"]
