"""Uploads, jobs and predictions together for a long time; whether memory and descriptors stay flat. A report:

    target/e2e/venv/bin/python tests/e2e/soak.py [minutes]        # 30 minutes by default

It prints a line of the table ten times, and the totals at the end. CHURN_SERVER names another program than the debug
build.

test_soak.py runs one minute of it.
"""

import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from world import Client, World, transactions

# Features, training, bulk prediction.
JOBS_A_ROUND = 3
CUSTOMER = {"customer_id": "C1", "transactions": [{"event_date": "2025-12-01", "amount": 5}], "as_of": "2025-12-28"}


@dataclass
class Soaked:
    """What came of it. Samples are (seconds, kB of memory, descriptors)."""

    samples: list[tuple[float, int, int]] = field(default_factory=list)
    predictions: list[float] = field(default_factory=list)
    rounds: int = 0
    clients: list[Client] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)

    @property
    def requests(self) -> int:
        return sum(client.requests for client in self.clients)

    def half(self, second: bool) -> tuple[float, float]:
        """Medians of memory in MB, and of descriptors, in a half of the time behind its first third."""
        last = self.samples[-1][0]
        settled = [sample for sample in self.samples if sample[0] >= last / 3]
        middle = (settled[0][0] + last) / 2
        of_half = [sample for sample in settled if (sample[0] >= middle) == second]
        return statistics.median(s[1] for s in of_half) / 1000, statistics.median(s[2] for s in of_half)


def soak(world: World, seconds: float, told: Callable[[Soaked], None] = lambda soaked: None) -> Soaked:
    """Works on a server of its own; `told` is called after every sample."""
    server = world.serve(JOB_WORKERS="2")
    for org in ("first", "second"):
        Client(server.url, org).train(transactions(1))
    soaked, stop, lock = Soaked(), threading.Event(), threading.Lock()

    def jobs(org: str, seed: int) -> None:
        """The whole way again and again, and away with it: what is kept would grow by itself."""
        client, chance = Client(server.url, org), random.Random(seed)
        soaked.clients.append(client)
        while not stop.is_set():
            dataset = client.upload(transactions(chance.randrange(1000), customers=chance.choice((100, 300, 1000))))
            client.call("POST", f"/datasets/{dataset}/process-features", 202)
            training = client.call("POST", f"/train?activate=true&dataset_id={dataset}", 202)["job_id"]
            bulk = client.call("POST", f"/predict-bulk?dataset_id={dataset}", 202)
            for job in (training, bulk["job_id"]):
                while (found := client.call("GET", f"/jobs/{job}?wait=20"))["status"] in ("queued", "running"):
                    pass
                assert found["status"] == "completed", found
            client.call("GET", f"/prediction-batches/{bulk['batch_id']}/results?limit=100")
            client.call("DELETE", f"/datasets/{dataset}", 204)
            with lock:
                soaked.rounds += 1

    def predictions(org: str) -> None:
        client = Client(server.url, org)
        soaked.clients.append(client)
        while not stop.is_set():
            start = time.perf_counter()
            client.call("POST", "/predict", json=CUSTOMER)
            with lock:
                soaked.predictions.append(time.perf_counter() - start)
            time.sleep(0.02)

    def guarded(work, *arguments) -> None:
        try:
            work(*arguments)
        except BaseException as failure:
            soaked.failures.append(failure)
            stop.set()

    works = [(jobs, "first", 1), (jobs, "second", 2), (predictions, "first"), (predictions, "second")]
    threads = [threading.Thread(target=guarded, args=work) for work in works]
    for thread in threads:
        thread.start()
    start = time.monotonic()
    while not stop.wait(min(5.0, seconds / 60)) and time.monotonic() - start < seconds:
        soaked.samples.append((time.monotonic() - start, server.status("VmRSS"), server.descriptors()))
        told(soaked)
    stop.set()
    for thread in threads:
        thread.join()
    assert server.stop() == 0
    return soaked


def main() -> None:
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 30.0
    folder = Path(tempfile.mkdtemp(prefix="churn-soak-"))
    world = World(folder)
    print("| minute | memory | descriptors | requests | jobs | errors |\n|---|---|---|---|---|---|", flush=True)
    printed = 0

    def told(soaked: Soaked) -> None:
        nonlocal printed
        seconds, memory, descriptors = soaked.samples[-1]
        if seconds < 6 * minutes * printed:
            return
        printed += 1
        words = f"| {seconds / 60:.1f} | {memory / 1000:.1f} MB | {descriptors} | {soaked.requests:,} "
        print(f"{words}| {JOBS_A_ROUND * soaked.rounds:,} | {len(soaked.failures)} |", flush=True)

    try:
        soaked = soak(world, 60 * minutes, told)
    finally:
        world.close()
        shutil.rmtree(folder)
    if soaked.failures:
        raise SystemExit(f"it failed: {soaked.failures[0]!r}")
    times = sorted(soaked.predictions)
    (memory, descriptors), (later, more) = soaked.half(second=False), soaked.half(second=True)
    print(f"\n{minutes:g} minutes: {soaked.requests:,} requests; ", end="")
    print(f"{soaked.rounds} times upload, features, training, bulk prediction; ", end="")
    print(f"{len(times):,} predictions, 99 % within {1000 * times[len(times) * 99 // 100]:.1f} ms")
    print(f"memory {memory:.1f} MB, later {later:.1f} MB; descriptors {descriptors:.0f}, later {more:.0f}")


if __name__ == "__main__":
    main()
