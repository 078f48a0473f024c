"""How fast the server is, as a table. A report, not a test.

    target/e2e/venv/bin/python tests/e2e/measure.py [small] [predictions] [large] [memory] [hostile]

By default all of it, each against a new server on SQLite and a folder. `predictions` needs h2load (Debian:
nghttp2-client) for the rows "as fast as they come". `hostile` is a table of its own: what another organization notices
of each attack, 99th percentiles of predictions.
"""

import contextlib
import json
import random
import re
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

from attacks import run_attacks
from world import SECRET, Client, Process, World

ROWS: list[tuple[str, str, str]] = []


@contextlib.contextmanager
def server(**variables: str) -> Iterator[tuple[Process, Client, World]]:
    folder = Path(tempfile.mkdtemp(prefix="churn-measure-"))
    world = World(folder)
    try:
        process = world.serve(**variables)
        yield process, Client(process.url, "measured"), world
    finally:
        world.close()
        shutil.rmtree(folder)


def log(customers: int, events: int) -> bytes:
    """So many customers with so many events each, over two years; a third of them end early."""
    chance = random.Random(1)
    days = [str(date(2024, 1, 1) + timedelta(days=day)) for day in range(731)]
    parts = ["customer_id,event_date,amount,event_type\n"]
    for customer in range(customers):
        last = 730 if chance.random() < 0.67 else chance.randrange(60, 730)
        parts.extend(
            f"c{customer:07},{days[int(last * chance.random())]},{chance.randrange(100, 9999) / 100},purchase\n"
            for _ in range(events)
        )
    return "".join(parts).encode()


def took(work) -> tuple[float, object]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def job_seconds(client: Client, job: str) -> float:
    found = client.wait(job, 600)
    assert found["status"] == "completed", found
    times = [datetime.fromisoformat(found[name]) for name in ("started_at", "finished_at")]
    return (times[1] - times[0]).total_seconds()


def row(what: str, claimed: str, measured: str) -> None:
    ROWS.append((what, claimed, measured))
    print(f"{what}: {measured}", flush=True)


def ms(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms" if seconds < 10 else f"{seconds:.1f} s"


def small() -> None:
    with server() as (_, client, _):
        rows = log(1000, 10)
        client.upload(rows)
        times = [took(lambda: client.upload(rows))[0] for _ in range(5)]
        row("upload of 10,000 rows", "2 s", ms(sorted(times)[2]))
        dataset = client.upload(log(10_000, 10))

        def features() -> str:
            return client.call("POST", f"/datasets/{dataset}/process-features", 202)["job_id"]

        wall, job = took(lambda: (job := features(), client.wait(job, 600))[0])
        row(
            "features for 10,000 customers (100,000 rows)",
            "5 to 10 s",
            f"{ms(job_seconds(client, job))}; {ms(wall)} until seen",
        )
        wall, job = took(lambda: (job := client.call("POST", "/train", 202)["job_id"], client.wait(job, 600))[0])
        row(
            "training, logistic regression, 10,000 customers",
            "3 to 5 s",
            f"{ms(job_seconds(client, job))}; {ms(wall)} until seen",
        )
        body = {"customer_id": "c1", "transactions": [{"event_date": "2025-12-01", "amount": 5}] * 10}
        client.call("POST", "/predict", json=body)
        times = [took(lambda: client.call("POST", "/predict", json=body))[0] for _ in range(200)]
        row(
            "one prediction, with the client's own time",
            "200 ms",
            f"{1000 * sorted(times)[100]:.2f} ms (median of 200)",
        )


def steady(url: str, request: bytes, connections: int, rate: int, seconds: int) -> list[float]:
    """Seconds from when each request was due to its whole answer. Requests are due at equal distances, whether or not
    answers come, and the connections take turns; one that still waits for an answer sends its next after it."""
    host, port = re.fullmatch(r"http://([\d.]+):(\d+)/.*", url).groups()
    lines = [socket.create_connection((host, int(port))) for _ in range(connections)]
    waiting: dict[socket.socket, deque[float]] = {line: deque() for line in lines}
    partial = dict.fromkeys(lines, b"")
    took: list[float] = []
    sent, total, start = 0, rate * seconds, time.perf_counter()
    while len(took) < total:
        now = time.perf_counter()
        while sent < total and (due := start + sent / rate) <= now:
            line = lines[sent % connections]
            waiting[line].append(due)
            if len(waiting[line]) == 1:
                line.sendall(request)
            sent += 1
        pause = max(0.0, start + sent / rate - time.perf_counter()) if sent < total else 10.0
        ready = select.select([line for line in lines if waiting[line]], [], [], pause)[0]
        assert ready or sent < total, "the server does not answer"
        for line in ready:
            partial[line] += line.recv(1 << 16)
            head, end, body = partial[line].partition(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            if not end or len(body) < int(length[1]):
                continue
            assert head.startswith(b"HTTP/1.1 200"), head
            took.append(time.perf_counter() - waiting[line].popleft())
            partial[line] = b""
            if waiting[line]:
                line.sendall(request)
    for line in lines:
        line.close()
    return took


def predictions() -> None:
    with server() as (_, client, world):
        client.train(log(2000, 10))
        body = world.folder / "body.json"
        events = [
            {"event_date": f"2025-{month:02}-10", "amount": 5.5, "event_type": "purchase"} for month in range(1, 11)
        ]
        body.write_text(json.dumps({"customer_id": "c1", "transactions": events, "as_of": "2025-12-31"}))
        url = f"{client.org}/predict"
        path, content = url.split("/", 3)[3], body.read_bytes()
        head = f"POST /{path} HTTP/1.1\r\nhost: measured\r\ncontent-type: application/json\r\n"
        request = f"{head}content-length: {len(content)}\r\n\r\n".encode() + content

        def said(times: list[float], span: float) -> str:
            times = sorted(1000 * seconds for seconds in times)
            middle, last = times[len(times) // 2], times[len(times) * 99 // 100]
            return f"{len(times) / span:.0f}/s, p50 {middle:.2f} ms, p99 {last:.2f} ms"

        for connections in (10, 100):
            steady(url, request, connections, 1000, 1)
            start = time.perf_counter()
            times = steady(url, request, connections, 1000, 10)
            span = time.perf_counter() - start
            row(f"predictions at {connections} connections, 1,000/s", "10 connections, 200 ms", said(times, span))
            record = world.folder / f"{connections}.log"
            command = ["h2load", "--h1", "-c", str(connections), "-t", "1", "-D", "5", "--warm-up-time", "1"]
            command += ["-d", str(body), "-H", "content-type: application/json", "--log-file", str(record)]
            subprocess.run([*command, url], check=True, stdout=subprocess.DEVNULL)
            lines = [line.split("\t") for line in record.read_text().splitlines()]
            bad = [status for _, status, _ in lines if status != "200"]
            assert not bad, bad[:3]
            span = (int(lines[-1][0]) - int(lines[0][0])) / 1e6
            times = [int(duration) / 1e6 for _, _, duration in lines]
            row(f"predictions at {connections} connections, as fast as they come", "", said(times, span))


def large() -> None:
    with server() as (_, client, _):
        rows = log(100_000, 10)
        wall, dataset = took(lambda: client.upload(rows))
        row("upload of 1,000,000 rows", "", ms(wall))
        job = client.call("POST", f"/datasets/{dataset}/process-features", 202)["job_id"]
        row("features for 100,000 customers (1,000,000 rows)", "", ms(job_seconds(client, job)))


def memory() -> None:
    with server() as (process, client, _):
        status = Path(f"/proc/{process.process.pid}/status")

        def peak() -> int:
            line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
            return int(line.split()[1]) // 1024

        block = log(50_000, 10).split(b"\n", 1)
        mark = "a-mark-between-parts"
        count = 1_000_000_000 // len(block[1]) + 1

        def body() -> Iterator[bytes]:
            disposition = 'Content-Disposition: form-data; name="file"; filename="l.csv"'
            yield f"--{mark}\r\n{disposition}\r\nContent-Type: text/csv\r\n\r\n".encode()
            yield block[0] + b"\n"
            for _ in range(count):
                yield block[1]
            yield f"\r\n--{mark}--\r\n".encode()

        before = peak()
        headers = {"content-type": f"multipart/form-data; boundary={mark}"}
        wall, answer = took(lambda: client.call("POST", "/upload-dataset", data=body(), headers=headers))
        size = len(block[0]) + 1 + count * len(block[1])
        words = f"{peak()} MB at its peak ({before} MB before)"
        words += f"; {size:,} bytes, {answer['row_count']:,} rows, {wall:.1f} s"
        row("memory while a CSV of 1 GB is uploaded", "", words)


def hostile() -> None:
    settings = {"SECRET_KEY": SECRET, "UPLOAD_IDLE_SECONDS": "60"}
    with server(**settings) as (process, _, _), server(**settings) as (elsewhere, _, _):
        print(
            "| attack | memory | p99, another server attacked | p99, attacked | ratio |\n|---|---|---|---|---|",
            flush=True,
        )
        for found in run_attacks(process, seconds=5, elsewhere=elsewhere):
            times = f"{found.undisturbed:.1f} ms | {found.disturbed:.1f} ms"
            ratio = found.disturbed / found.undisturbed
            print(f"| {found.name} | {found.more:.1f} MB | {times} | {ratio:.1f} |", flush=True)


if __name__ == "__main__":
    parts = {"small": small, "predictions": predictions, "large": large, "memory": memory, "hostile": hostile}
    for name in sys.argv[1:] or parts:
        parts[name]()
    if ROWS:
        print("\n| what | claimed by the original | measured |\n|---|---|---|")
        for cells in ROWS:
            print(f"| {' | '.join(cells)} |")
