"""Processes that are forked, spawned or served by a fork server: they work or say what to do, and never hang."""

import multiprocessing
import os
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

# Waits for a child for this many seconds: a child that hangs, hangs for ever.
PRELUDE = """
import os, sys, threading, time
def wait(child, seconds=60):
    for _ in range(seconds * 20):
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    os.kill(child, 9)
    return "the child hangs"
def fork(work):
    child = os.fork()
    if child:
        return wait(child)
    try:
        work()
        os._exit(0)
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", flush=True)
        os._exit(1)
import palate
table = [("ann", "tea", 5), ("ann", "milk", 1), ("bob", "tea", 4), ("bob", "milk", 2), ("eve", "tea", 1)]
"""


def run(code):
    program = PRELUDE + textwrap.dedent(code)
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


POLARS_WORKS = """
open("{folder}/t.csv", "w").write("user,item,rating\\n" + "".join(f"{{u}},{{i}},{{i}}\\n" for u in range(9) for i in range(9)))
ratings = palate.read_ratings("{folder}/t.csv")
import polars as pl
frame = pl.DataFrame({{"user": [1, 2], "item": [3, 4], "rating": [5.0, 6.0]}})
frame.write_parquet("{folder}/t.parquet")
pl.read_parquet("{folder}/t.parquet")
"""


@pytest.mark.parametrize(
    "work",
    [
        'palate.read_ratings("{folder}/t.parquet")',
        'palate.read_ratings("{folder}/t.csv")',
        "palate.read_ratings(table)",
        'palate.read_catalogue("{folder}/t.csv", id=0, title=1)',
        'palate.SGD(epochs=1).fit(ratings).recommend_all("{folder}/all.parquet")',
    ],
)
def test_after_polars_has_worked_a_forked_process_is_told_what_to_do(tmp_path, work):
    said = run(f"{POLARS_WORKS}\nprint(fork(lambda: {work}))".format(folder=tmp_path))
    message, code = said.splitlines()
    assert code == "1"
    assert message.startswith("ForkError: ")
    assert "get_context('spawn')" in message
    assert not list(tmp_path.glob(".*.tmp"))


def test_a_forked_process_fits_asks_saves_and_loads(tmp_path):
    work = """
    def work():
        model = palate.SGD(epochs=1).fit(ratings)
        palate.save(model, "{folder}/m.palate")
        palate.load("{folder}/m.palate").recommend(1)
    print(fork(work))
    """
    assert run((POLARS_WORKS + textwrap.dedent(work)).format(folder=tmp_path)) == "0"


def test_a_process_that_is_forked_before_polars_works_can_read():
    assert run("import polars\nprint(fork(lambda: palate.read_ratings(table)))") == "0"


def hold(lock):
    """A thread holds a lock while the process forks; the child needs the lock."""
    return f"""
    held = threading.Event()
    def hold():
        with {lock}:
            held.set()
            time.sleep(0.5)
    threading.Thread(target=hold).start()
    held.wait()
    """


def test_a_fork_while_another_thread_compiles():
    code = """
    import palate.kernels.jit, numba
    from numba.core.compiler_lock import global_compiler_lock
    compiled = lambda: numba.njit(lambda x: x + 1)(1)
    """
    said = run(textwrap.dedent(code) + textwrap.dedent(hold("global_compiler_lock")) + "\nprint(fork(compiled))")
    assert said == "0"


def test_a_fork_while_another_thread_begins_a_fit():
    code = """
    from palate.parallel import _blas_lock, single_blas
    def work():
        with single_blas():
            pass
    """
    assert run(textwrap.dedent(code) + textwrap.dedent(hold("_blas_lock")) + "\nprint(fork(work))") == "0"


def test_a_fork_while_another_thread_groups_a_table():
    code = """
    import palate.ratings
    ratings = palate.read_ratings(table)
    counted, other = palate.ratings._counted, palate.read_ratings(table)
    held = threading.Event()
    def slow(*arguments):
        held.set()
        time.sleep(1)
        return counted(*arguments)
    palate.ratings._counted = slow
    threading.Thread(target=lambda: ratings.user_counts).start()
    held.wait()
    palate.ratings._counted = counted
    print(fork(lambda: other.user_counts))
    """
    assert run(code) == "0"


def test_forks_while_another_thread_fits(tmp_path):
    code = """
    from palate.datasets import make_ratings
    ratings = make_ratings(100, 80, 3000, seed=1)
    parts = dict.fromkeys(("user_noise", "item_noise", "user_sets", "item_sets"), True)
    solver = palate.BayesianMF(factors=2, sweeps=3, **parts)
    stop = threading.Event()
    def fit():
        while not stop.is_set():
            solver.fit(ratings)
    fitting = threading.Thread(target=fit)
    fitting.start()
    codes = [fork(lambda: solver.fit(ratings)) for _ in range(3)]
    stop.set()
    fitting.join()
    print(codes)
    """
    assert run(code) == "[0, 0, 0]"


def reads_and_fits(rows):
    import palate

    model = palate.SGD(epochs=1, factors=2).fit(palate.read_ratings(rows))
    return [scored.id for scored in model.recommend("ann")], model


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_spawn_and_forkserver_work(method):
    import palate

    rows = [("ann", "tea", 5), ("bob", "tea", 4), ("bob", "cocoa", 5)]
    palate.read_ratings(rows)
    with multiprocessing.get_context(method).Pool(1) as pool:
        best, model = pool.apply_async(reads_and_fits, (rows,)).get(timeout=120)
    assert best == ["cocoa"]
    assert [scored.id for scored in model.recommend("ann")] == best
