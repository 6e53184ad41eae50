"""Shared fixtures."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings

from file_server import Server

# How many random inputs a test leaves out is chance, and how fast they are made says nothing on a busy machine.
settings.register_profile("palate", suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
settings.load_profile("palate")


# One process runs all tests of a group, which share what takes long to start: Java, or a browser and services.
GROUPS = {"test_spark.py": "spark", "test_spark_answers.py": "spark", "test_page.py": "page"}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep groups together, the largest first. pytest-xdist 3.8 itself does not see them with pytest 9.2."""
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return GROUPS.get(Path(nodeid.partition("::")[0]).name, nodeid)

    return ByGroup(config, log) if config.getoption("dist") in ("load", "loadgroup") else None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Start one process more than there are cores: tests of Java, of the browser and of services often wait."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_finish() -> None:
    """Let collections of garbage pass over what thousands of collected tests hold: it stays until the end."""
    gc.collect()
    gc.freeze()


DATA = Path(os.environ.get("PALATE_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder with real ratings (Jester, MovieLens), which is not part of the project."""
    if not DATA.is_dir():
        pytest.skip(f"real ratings are not at {DATA}: set PALATE_DATA to a folder with jester/ and ml-100k/")
    return DATA


def shorten_pilots(patch: pytest.MonkeyPatch) -> None:
    """Let the pilots of `BayesianMF` choose badly and soon."""
    for module, name, value in (
        ("pilot_chains", "_SETTLE_SWEEPS", 4),
        ("pilot_chains", "_BLOCK_SWEEPS", 2),
        ("pilot_chains", "_BLOCKS", 2),
        ("pilot_chains", "_OWN_BLOCKS", 2),
        ("part_selection", "_SETTLE", 4),
        ("part_selection", "_SETTLE_SPARSE", 4),
        ("part_selection", "_ADAPT", 2),
        ("stacked_selection", "_ENOUGH_TO_COMPARE", 1),  # one fold
        ("stacked_selection", "_ENOUGH_TO_CALIBRATE", 1),
        ("time_selection", "_ADAPT", 4),
    ):
        patch.setattr(f"palate.solvers.bayes.{module}.{name}", value)


@pytest.fixture
def short_pilots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the pilots of `BayesianMF` choose badly and soon, for tests of something else."""
    shorten_pilots(monkeypatch)


@pytest.fixture(scope="module")
def short_pilots_of_module() -> Iterator[None]:
    """Do what `short_pilots` does, also for what tests of a module share."""
    with pytest.MonkeyPatch.context() as patch:
        shorten_pilots(patch)
        yield


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The empty folder that data sets are fetched into during a test."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("PALATE_CACHE", str(folder))
    return folder


@pytest.fixture
def server() -> Iterator[Server]:
    """A web server whose files a test provides."""
    running = Server()
    yield running
    running.close()


@pytest.fixture
def postgresql() -> Iterator[str]:
    """The URL of an empty PostgreSQL database, which no other test uses."""
    address = os.environ.get("PALATE_TEST_POSTGRES")
    if address is None:
        pytest.skip("PALATE_TEST_POSTGRES names no PostgreSQL URL")
    server = sa.make_url(address).set(drivername="postgresql+psycopg")
    engine, name = sa.create_engine(server, isolation_level="AUTOCOMMIT"), f"palate_{uuid4().hex}"
    with engine.connect() as connection:
        connection.execute(sa.text(f"create database {name}"))
        yield sa.make_url(address).set(database=name).render_as_string(hide_password=False)
        connection.execute(sa.text(f"drop database {name} with (force)"))
    engine.dispose()


# Tests run each stage of Spark a few times, so that compiling it to fast code costs more than it saves.
QUICK_SPARK = {
    "spark.ui.enabled": "false",
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "spark.executor.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
}


@pytest.fixture(scope="session")
def spark() -> Iterator[Any]:
    """A session of Spark with two cores in a Java process of its own, for all tests of the group "spark"."""
    from palate.spark import open_spark

    session = open_spark("local[2]", QUICK_SPARK)
    yield session
    session.stop()
