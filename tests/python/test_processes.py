"""Processes and threads: whatever starts them, no call hangs. A program that does is killed, and that is a failure."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")

# What every program begins with. Each of these calls spreads its work over several threads.
HEAD = f"""
import os, signal, sys, threading
sys.path.insert(0, {os.path.dirname(__file__)!r})
from conftest import columns_of, csv_of, made_up_log
import churn

LOG = made_up_log(1, 200)

def work(seed=0):
    events = churn.read_csv(csv_of(LOG).encode())
    found = []
    sizes = {{"logistic_regression": {{}}, "random_forest": {{"trees": 12}}, "gradient_boosting": {{"rounds": 8}}}}
    for kind, more in sizes.items():
        model = churn.train(events, kind, feature_set="behavioral", seed=seed, **more)
        found.append(model.evaluation["metrics"]["roc_auc"])
        found.append(float(model.predict(events).churn_probability.sum()))
    found.append(float(abs(model.explain(events).contributions).sum()))
    return found

def ended_well(child):
    _, status = os.waitpid(child, 0)
    return os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0

def in_child(work):
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if work() else 1)
        finally:
            os._exit(2)
    return child
"""


def environment() -> dict[str, str]:
    # Several threads on a machine with one core too.
    return {**os.environ, "RAYON_NUM_THREADS": "3", "PYTHONWARNINGS": "ignore::DeprecationWarning"}


def kill_all(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    """End a program and everything that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def run(folder: Path, program: str, seconds: float = 180) -> str:
    """Run a program and give what it prints."""
    path = folder / "program.py"
    path.write_text(HEAD + textwrap.dedent(program), encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        start_new_session=True,
    )
    try:
        printed, complaints = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        kill_all(process)
        pytest.fail(f"it hangs: nothing came of it in {seconds} seconds")
    finally:
        kill_all(process)
    assert process.returncode == 0, complaints
    return printed


def test_fork_and_fork_of_a_fork(tmp_path: Path) -> None:
    """The pool is in use before the first fork, in the child before the second, and in the parent after both."""
    run(
        tmp_path,
        """
        expected = work()
        assert len(set(expected)) == 7

        def child():
            grandchild = in_child(lambda: work() == expected)
            return work() == expected and ended_well(grandchild) and ended_well(in_child(lambda: work() == expected))

        children = [in_child(child) for _ in range(2)]
        assert work() == expected
        assert all([ended_well(child) for child in children])
        assert work() == expected
        """,
    )


def test_fork_before_the_first_use(tmp_path: Path) -> None:
    run(
        tmp_path,
        """
        child = in_child(lambda: len(work()) == 7)
        assert ended_well(child)
        assert len(work()) == 7
        """,
    )


def test_fork_that_python_does_not_know_of(tmp_path: Path) -> None:
    """Programs that hold an interpreter may fork by the system's call."""
    run(
        tmp_path,
        """
        import ctypes

        expected = work()
        child = ctypes.PyDLL(None).fork()
        if child == 0:
            os._exit(0 if work() == expected else 1)
        assert ended_well(child)
        """,
    )


def test_fork_while_other_threads_work(tmp_path: Path) -> None:
    """Whatever a thread of the parent is in the midst of, the child can do, with the same model too."""
    run(
        tmp_path,
        """
        events = churn.read_csv(csv_of(LOG).encode())
        model = churn.train(events, "gradient_boosting", rounds=8)
        expected, why = work(), float(abs(model.explain(events).contributions).sum())
        stop = threading.Event()

        def keep(work):
            while not stop.is_set():
                work()

        def explain():
            # Settings that change, so that an explainer is prepared each time.
            for feature_perturbation in ("interventional", "tree_path_dependent"):
                model.explain(events, feature_perturbation=feature_perturbation)

        threads = [threading.Thread(target=keep, args=(work,)) for work in (work, explain)]
        for thread in threads:
            thread.start()
        for turn in range(12):
            def child():
                return float(abs(model.explain(events).contributions).sum()) == why and work() == expected
            assert ended_well(in_child(child)), turn
        stop.set()
        for thread in threads:
            thread.join()
        """,
    )


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_process_pools(tmp_path: Path, method: str) -> None:
    """One model for each of several seeds, as in the guide."""
    printed = run(
        tmp_path,
        f"""
        from concurrent.futures import ProcessPoolExecutor
        import multiprocessing

        if __name__ == "__main__":
            expected = [work(seed) for seed in (1, 2, 3)]
            context = multiprocessing.get_context({method!r})
            with ProcessPoolExecutor(2, mp_context=context) as pool:
                assert list(pool.map(work, [1, 2, 3])) == expected
            with context.Pool(2) as pool:
                assert pool.map(work, [1, 2, 3]) == expected
            print("done")
        """,
    )
    assert printed == "done\n"


def test_threads_and_asyncio(tmp_path: Path) -> None:
    run(
        tmp_path,
        """
        import asyncio
        from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

        async def gather(expected):
            loop = asyncio.get_running_loop()
            assert await asyncio.gather(*[loop.run_in_executor(None, work, seed) for seed in (1, 2)]) == expected
            with ProcessPoolExecutor(2) as pool:
                assert await asyncio.gather(*[loop.run_in_executor(pool, work, seed) for seed in (1, 2)]) == expected

        if __name__ == "__main__":
            expected = [work(1), work(2)]
            with ThreadPoolExecutor(4) as pool:
                assert list(pool.map(work, [1, 2] * 3)) == expected * 3
            asyncio.run(gather(expected))
        """,
    )


def test_a_fork_within_a_callback(tmp_path: Path) -> None:
    """The child of a callback ends on its own; the call that it was made in goes on in the parent alone."""
    run(
        tmp_path,
        """
        children = []

        def progress(stage, done, total):
            if not children:
                children.append(in_child(lambda: len(work()) == 7))

        events = churn.read_csv(csv_of(LOG).encode())
        churn.train(events, "random_forest", trees=50, progress=progress)
        assert len(children) == 1 and ended_well(children[0])
        """,
    )


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="threads are counted in /proc")
def test_importing_starts_no_thread(tmp_path: Path) -> None:
    """A server that loads the package and forks has one thread until a worker needs more."""
    printed = run(
        tmp_path,
        """
        def threads():
            return sorted(open(f"/proc/self/task/{task}/comm").read().strip() for task in os.listdir("/proc/self/task"))

        before = [name for name in threads() if name.startswith("churn-")]
        work()
        print(before, [name for name in threads() if name.startswith("churn-")])
        """,
    )
    assert printed == "[] ['churn-0', 'churn-1', 'churn-2']\n"


APPLICATION = """
MODEL = churn.train(churn.read_csv(csv_of(LOG).encode()), "gradient_boosting", rounds=8)
EXPECTED = work()

def app(environ, start_response):
    events = churn.read_csv(csv_of(LOG).encode())
    found = work() == EXPECTED and len(MODEL.explain(events).reasons) == len(MODEL.predict(events))
    start_response("200 OK" if found else "500 Wrong", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
"""


class Unix(http.client.HTTPConnection):
    """HTTP over a socket of the file system."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def test_gunicorn_with_preload(tmp_path: Path) -> None:
    """Workers of a server that has trained before it forked them."""
    pytest.importorskip("gunicorn")
    (tmp_path / "application.py").write_text(HEAD + APPLICATION, encoding="utf-8")
    path = str(tmp_path / "socket")
    server = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "gunicorn",
            "--preload",
            "--workers=2",
            "--timeout=60",
            f"--bind=unix:{path}",
            "application:app",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment(),
        cwd=tmp_path,
        start_new_session=True,
    )
    try:
        until = time.monotonic() + 120
        while not os.path.exists(path):
            assert server.poll() is None, "the server ended"
            assert time.monotonic() < until, "the server does not start"
            time.sleep(0.05)
        workers = set()
        for _ in range(6):
            connection = Unix(path)
            connection.request("GET", "/")
            answer = connection.getresponse()
            workers.add(answer.read())
            assert answer.status == 200
            connection.close()
        assert len(workers) >= 1
        assert str(server.pid).encode() not in workers
    finally:
        kill_all(server)
