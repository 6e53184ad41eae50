"""How much of the machine a fit takes."""

import os
from math import inf
from pathlib import Path

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from palate import parallel
from palate.parallel import pool, single_blas


def put(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


@pytest.mark.parametrize(
    ("limit", "cores"), [("max 100000", inf), ("150000 100000", 1.5), ("50000 100000", 0.5), ("broken", inf), ("", inf)]
)
def test_the_quota_of_a_control_group_counts(tmp_path, limit, cores):
    put(tmp_path / "jobs" / "one", cpu__max=limit)
    assert parallel._quota("0::/jobs/one\n", tmp_path) == cores


def test_a_quota_further_up_counts_where_it_is_less(tmp_path):
    put(tmp_path / "jobs" / "one", cpu__max="400000 100000")
    put(tmp_path / "jobs", cpu__max="300000 100000")
    assert parallel._quota("0::/jobs/one\n", tmp_path) == 3
    put(tmp_path, cpu__max="100000 100000")
    assert parallel._quota("0::/jobs/one\n", tmp_path) == 1


@pytest.mark.parametrize("mounted", ["cpu", "cpu,cpuacct"])
def test_control_groups_of_version_1_count_too(tmp_path, mounted):
    put(tmp_path / mounted / "docker" / "abc", cpu__cfs_quota_us="250000", cpu__cfs_period_us="100000")
    groups = "12:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n"
    assert parallel._quota(groups, tmp_path) == 2.5
    put(tmp_path / mounted / "docker" / "abc", cpu__cfs_quota_us="-1")
    assert parallel._quota(groups, tmp_path) == inf


def test_a_process_without_control_groups_has_no_quota(tmp_path):
    assert parallel._quota("", tmp_path) == parallel._quota("0::/\n", tmp_path) == inf


def test_as_many_threads_as_quota_and_affinity_leave(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    for quota, cores in ((inf, 8), (100.0, 8), (2.5, 3), (0.2, 1)):
        monkeypatch.setattr(parallel, "_quota", lambda *_, quota=quota: quota)
        assert parallel.available() == cores


@pytest.mark.parametrize("count", [1, 2, 5])
def test_results_come_in_the_order_of_the_tasks_and_errors_come_through(count):
    with pool(count) as run:
        assert run(lambda task: task**2, range(40)) == [task**2 for task in range(40)]
        assert run(lambda task: task, []) == []
        with pytest.raises(ZeroDivisionError):
            run(lambda task: 1 / task, [1, 0, 2])
        assert run(abs, [-1]) == [1]  # and the pool goes on working


def test_blas_gets_its_threads_back():
    def threads():
        return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}

    with threadpool_limits(2, user_api="blas"):
        before = threads()
        with single_blas(), single_blas():
            assert threads() == {1}
        with pytest.raises(ZeroDivisionError), single_blas():
            1 / 0  # noqa: B018
        assert threads() == before == {2}
