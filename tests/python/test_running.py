"""Long work: progress, Ctrl-C, threads, memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from conftest import Row, csv_of

import churn

X, Y = "numpy.random.rand(100_000, 20)", "numpy.arange(100_000) % 2"


def test_progress(rows: list[Row], events: churn.Events) -> None:
    seen: list[tuple[str, int, int]] = []

    def progress(stage: str, done: int, total: int) -> None:
        assert threading.current_thread() is threading.main_thread()
        seen.append((stage, done, total))

    churn.train(events, "random_forest", trees=10, progress=progress)
    assert {"features", "cross-fit", "audit"} <= {stage for stage, _, _ in seen}
    assert all(total == 0 or done <= total for _, done, total in seen)
    seen.clear()
    churn.read_csv(csv_of(rows).encode(), progress=progress)
    assert seen[0][0] == "read"
    for nothing in (None, False):
        churn.train(events, progress=nothing)
    with pytest.raises(churn.errors.InvalidParameterError, match="progress"):
        churn.train(events, progress=5)  # type: ignore[arg-type]


def test_progress_of_tqdm(events: churn.Events, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tqdm")
    churn.train(events, progress=True)
    assert "features" in capsys.readouterr().err


def test_an_exception_of_the_callback_stops_the_work(events: churn.Events) -> None:
    class EnoughError(Exception):
        pass

    def progress(stage: str, done: int, total: int) -> None:
        raise EnoughError

    with pytest.raises(EnoughError):
        churn.train(events, progress=progress)


# What is done, and the stage in which it is interrupted; none where nothing is said of it.
LONG_WORK = {
    "train": ("trees", "churn.train(events, 'random_forest', trees=10000, max_depth=20, progress=said)"),
    "boosting": ("cross-fit", "churn.train(events, 'gradient_boosting', rounds=10000, max_depth=3, progress=said)"),
    "auto": ("search", "churn.train(events, 'auto', rounds=10000, progress=said)"),
    "backtest": ("backtest", "churn.backtest(events, 'random_forest', trees=10000, max_depth=20, progress=said)"),
    "explain": ("explain", "boosting.explain(big, feature_perturbation='interventional', progress=said)"),
    "read": ("read", "churn.features(endless(), '2024-01-01', progress=said)"),
    "file": ("read", "churn.features(Endless(), '2024-01-01', progress=said)"),
    "without": (None, "churn.features(endless(), '2024-01-01')"),
    "classifier": (None, f"ChurnClassifier('random_forest', trees=10000).fit({X}, {Y})"),
}


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent another way there")
@pytest.mark.parametrize("work", LONG_WORK, ids=str)
def test_ctrl_c_stops_long_work(work: str) -> None:
    """The work is endless or takes minutes: that it was stopped shows in how far it says to have come."""
    if work == "classifier":
        pytest.importorskip("sklearn")
    stage, code = LONG_WORK[work]
    program = textwrap.dedent(f"""
        import json, os, signal, sys, threading, time
        import numpy
        import churn
        {"from churn.sklearn import ChurnClassifier" if work == "classifier" else ""}
        sys.path.insert(0, {os.path.dirname(__file__)!r})
        from conftest import columns_of, made_up_log

        # What a shell has started in the background ignores Ctrl-C.
        signal.signal(signal.SIGINT, signal.default_int_handler)

        def endless():
            part = columns_of(made_up_log(1, 50))
            while True:
                yield part

        class Endless:
            first = True
            def read(self, size):
                if self.first:
                    self.first = False
                    return b"customer_id,event_date\\n"
                return b"anna,2024-01-01\\n" * 1000

        events = churn.Events.from_table(columns_of(made_up_log(1, 1000)))
        if {work!r} == "explain":
            boosting = churn.train(events, "gradient_boosting")
            many = columns_of(made_up_log(2, 3000))
            big = churn.Events.from_table({{
                **{{name: cells * 20 for name, cells in many.items()}},
                "customer_id": [f"{{k}}-{{c}}" for k in range(20) for c in many["customer_id"]],
            }})
            big = boosting.features(big)
        words, sent, begun = [], [], threading.Event()

        def said(stage, done, total):
            words.append((stage, done, total))
            if stage == {stage!r}:
                begun.set()

        def interrupt():
            begun.wait()
            # So that it arrives in the midst of the work.
            time.sleep(0.1)
            sent.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=interrupt, daemon=True).start()
        if {stage is None}:
            begun.set()
        try:
            {code}
        except KeyboardInterrupt:
            print(json.dumps([time.monotonic() - sent[0], words[-1:]]))
            sys.exit(0)
        sys.exit("it was not interrupted")
    """)
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    seconds, last = json.loads(run.stdout)
    print(f"{work}: stopped {seconds:.2f} s after Ctrl-C, {last}")
    assert len(last) == (stage is not None)
    # Sources without an end have no total.
    assert all(name == stage and (total == 0 or done < total / 2) for name, done, total in last)


def test_two_threads_score_one_model(events: churn.Events, model: churn.Model) -> None:
    expected = model.predict(events).churn_probability
    customer: Any = {"customer_id": "x", "transactions": [{"event_date": "2024-05-01", "amount": 3.0}] * 20}
    alone = model.predict_one(customer, "2024-06-01")

    why = model.explain(events).contributions
    both = threading.Barrier(2)

    def score(_: int) -> None:
        for _ in range(20):
            # Both at once: neither waits for the other to be done.
            both.wait()
            np.testing.assert_array_equal(model.predict(events).churn_probability, expected)
            np.testing.assert_array_equal(model.explain(events).contributions, why)
            assert model.predict_one(customer, "2024-06-01") == alone

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(score, range(2)))


def test_other_threads_run_meanwhile(events: churn.Events) -> None:
    """The interpreter's lock is released: another thread keeps counting while a forest is grown."""
    counted = [0]
    stop = threading.Event()

    def count() -> None:
        while not stop.is_set():
            counted[0] += 1
            time.sleep(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    before = counted[0]
    churn.train(events, "random_forest", trees=300, max_depth=8)
    meanwhile = counted[0] - before
    stop.set()
    thread.join()
    # A lock that is held would let it count once or twice, when the work begins and when it ends.
    assert meanwhile >= 10


def memory() -> int:
    """Resident memory in kB."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="memory is read from /proc")
def test_nothing_leaks_over_ten_thousand_calls(events: churn.Events, model: churn.Model) -> None:
    customer: Any = {"customer_id": "x", "transactions": [{"event_date": "2024-05-01", "amount": 3.0}] * 10}
    small = {
        "customer_id": ["a", "b"],
        "event_date": ["2024-01-01", "2024-01-02"],
        "amount": [1.0, None],
    }
    table = model.features(events)
    document = model.to_json()

    def calls() -> None:
        for _ in range(1000):
            model.predict_one(customer, "2024-06-01")
            churn.features(churn.Events.from_table(small)).to_numpy()
            assert model.evaluation
            with pytest.raises(churn.ChurnError):
                model.predict_one({"customer_id": "x", "transactions": []}, "2024-06-01")
        for _ in range(20):
            churn.Model.from_json(document)
            model.predict(table).customer_id  # noqa: B018
            model.explain(table).contributions  # noqa: B018

    for _ in range(2):
        calls()
    before = memory()
    for _ in range(10):
        calls()
    # 10,000 calls of each: a leak of 1 kB a call would be 10 MB; the allocator may keep a little.
    assert memory() - before < 8 * 1024
