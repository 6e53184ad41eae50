"""Requests that ask for too much: their work is bounded, ends with its time, and leaves the service alive."""

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest

import palate
from palate.model.explain import Reasons
from serving import PATIENCE, PLAIN, Served, client, environment, fitted, is_problem, until

RATINGS = {str(item): 3.0 for item in range(1, 11)}


@pytest.mark.parametrize(
    ("options", "amount"),
    [
        ({"n": 1000, "reasons": 20}, "21,000,000"),
        ({"n": 101}, "101,000"),
        ({"n": 1, "offset": 10_000}, "10,001,000"),
        ({"n": 10, "reasons": 10}, "110,000"),
    ],
)
def test_what_one_batch_may_ask_for_is_bounded(tmp_path, options, amount):
    with client(tmp_path) as served:
        users = [user % 40 + 1 for user in range(1000)]
        assert is_problem(served.post("/v1/recommendations", json={"users": users, **options}), 422, amount)
        assert served.post("/v1/recommendations", json={"users": [1, 2], "n": 1000, "reasons": 20}).status_code == 200


def test_work_sees_that_its_time_is_over_and_stops(tmp_path, monkeypatch):
    explained, batched = [], []

    def slowly(model, user, items, n):
        explained.append(items)
        time.sleep(0.3)
        return Reasons([[] for _ in items], None)

    monkeypatch.setattr("palate.service.reasons._AT_ONCE", 1)
    monkeypatch.setattr("palate.service.reasons.reasons_of_both", slowly)
    with client(tmp_path, timeout=0.5) as served:
        ask = {"ratings": RATINGS, "reasons": 3, "seen": True}
        while not explained:  # on a busy machine the time may be over before the work begins
            answer = served.post("/v1/anonymous/recommendations", json=ask)
            assert is_problem(answer, 503, "longer than 0.5 s")
        assert served.app.state.palate.loaded
        assert len(explained) < 10  # not all of the rows, and no thread goes on with them

        def recommended(*arguments):
            batched.append(1)
            time.sleep(0.3)
            return []

        monkeypatch.setattr("palate.service.serializers.recommend", recommended)
        while not batched:
            assert is_problem(served.post("/v1/recommendations", json={"users": list(range(1, 41))}), 503, "longer")
        assert len(batched) < 40


def test_threads_are_few_and_the_state_is_told_while_all_of_them_work(tmp_path, monkeypatch):
    working, most, release = [], [], threading.Event()

    def waiting(model, user, items, n):
        working.append(1)
        most.append(len(working))
        release.wait(PATIENCE)
        working.pop()
        return Reasons([[] for _ in items], None)

    monkeypatch.setattr("palate.service.reasons.reasons_of_both", waiting)
    with client(tmp_path, threads=2, timeout=PATIENCE) as served, ThreadPoolExecutor(12) as senders:
        ask = {"ratings": RATINGS, "reasons": 3}
        answers = [senders.submit(served.post, "/v1/anonymous/recommendations", json=ask) for _ in range(12)]
        until(lambda: len(working) == 2)
        assert served.get("/readyz").status_code == 200
        assert served.get("/healthz").status_code == 200
        release.set()
        assert [answer.result().status_code for answer in answers] == [200] * 12
        assert max(most) == 2


#: A service whose explanations never end by themselves: each step looks at its deadline, an hour away.
SLOW = """
import sys, time
from pathlib import Path
import palate.service.reasons as reasons
from palate.service.deadline import check_deadline
from palate.service.server import run
from palate.service.settings import Settings

def endless(steps):
    while True:
        check_deadline()
        time.sleep(0.05)
    yield

reasons.until_deadline = endless
run(Settings(model=Path(sys.argv[1]), port=int(sys.argv[2]), timeout=3600))
"""


def test_a_service_ends_though_its_threads_have_work_for_an_hour(tmp_path):
    class Slow(Served):
        def start(self):
            self.log = (self.folder / "log").open("ab")
            command = [sys.executable, "-c", SLOW, str(self.folder / "model.palate"), str(self.port)]
            self.process = subprocess.Popen(
                command, env=environment(), stdout=self.log, stderr=self.log, start_new_session=True
            )
            self.wait()
            return self

    def ask(url):
        try:
            return httpx.post(
                f"{url}/v1/anonymous/recommendations", json={"ratings": RATINGS, "reasons": 3}, timeout=60
            )
        except httpx.TransportError:
            return None

    with Slow(tmp_path) as served, ThreadPoolExecutor(20) as senders:
        answers = [senders.submit(ask, served.url) for _ in range(20)]
        until(lambda: threads_of(served.process.pid) > 5)
        assert httpx.get(f"{served.url}/readyz", timeout=PATIENCE).status_code == 200
        assert not any(answer.done() for answer in answers)
        assert served.stop() in (0, -15)


def threads_of(process):
    return len(os.listdir(f"/proc/{process}/task")) if os.path.isdir("/proc") else 100


def test_reasons_for_everything_at_once_do_not_stop_a_service(tmp_path):
    rng = np.random.default_rng(1)
    rows = [(user, item, float(rng.integers(1, 6))) for user in range(60) for item in rng.choice(1300, 100, False)]
    model = palate.BayesianMF(factors=10, sweeps=10, seed=1, **PLAIN).fit(palate.read_ratings(rows, scale=(1, 5)))
    palate.save(model, tmp_path / "model.palate")
    ratings = {str(item): 4.0 for item in model.items.ids[:199].tolist()}
    body = {"ratings": ratings, "n": 1000, "reasons": 20}
    with Served(tmp_path) as served, ThreadPoolExecutor(45) as senders:
        before = threads_of(served.process.pid)
        send = lambda: httpx.post(f"{served.url}/v1/anonymous/recommendations", json=body, timeout=PATIENCE)  # noqa: E731
        answers = [senders.submit(send) for _ in range(45)]
        slowest = 0.0
        while not all(answer.done() for answer in answers):
            began = time.monotonic()
            assert httpx.get(f"{served.url}/readyz", timeout=PATIENCE).status_code == 200
            slowest = max(slowest, time.monotonic() - began)
        assert [answer.result().status_code for answer in answers] == [200] * 45
        assert all(len(answer.result().json()["recommendations"]) == 1000 for answer in answers)
        assert threads_of(served.process.pid) <= before + 12
        print(f"/readyz answered within {slowest:.2f} s")
        assert served.stop() in (0, -15)


def test_reasons_are_those_of_the_model():
    model = fitted()
    from palate.service.reasons import reasons

    user = model.users[0]
    items = [one.id for one in model.recommend(user, 5)]
    rows = list(reasons(model, user, items, 3))
    for item, row in zip(items, rows, strict=True):
        positive = sorted(
            (part for part in model.explain(user, item).contributions if part.contribution > 0),
            key=lambda part: -part.contribution,
        )
        assert [one["item"] for one in row["because"]] == [part.item for part in positive[:3]]
        assert "choices" not in row
