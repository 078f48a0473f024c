"""kill -9 at any moment: what was accepted is there, every job ends, and nothing else is left.

CHURN_KILLS says how often on each database (default 30 and 10); the full test is CHURN_KILLS=200."""

import hashlib
import os
import random
import threading
import time

import pytest
import requests
from world import SECRET_KEY, Client, World, free_port, objects, transactions


class Worked:
    """What the server has said yes to."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.files: dict[str, str] = {}
        self.jobs: set[str] = set()
        self.refused = 0
        self.stop = threading.Event()


def work(url: str, number: int, worked: Worked) -> None:
    """Uploads and starts jobs until it is told to stop; a server that is away is waited for."""
    chance = random.Random(number)
    mine: list[str] = []
    session = requests.Session()
    org = f"{url}/api/v1/churn/v2/organizations/crash"
    while not worked.stop.is_set():
        try:
            if chance.random() < 0.6 or not mine:
                csv = transactions(chance.randrange(1 << 30), customers=chance.choice((60, 300, 2000)))
                answer = session.post(f"{org}/upload-dataset", files={"file": ("l.csv", csv, "text/csv")}, timeout=30)
                if answer.status_code == 200:
                    dataset = answer.json()["dataset_id"]
                    with worked.lock:
                        worked.files[dataset] = hashlib.sha256(csv).hexdigest()
                    mine.append(dataset)
            else:
                dataset = chance.choice(mine)
                path = chance.choice(
                    (
                        f"datasets/{dataset}/process-features",
                        f"datasets/{dataset}/process-features",
                        "train?model_type=logistic_regression",
                        f"predict-bulk?dataset_id={dataset}",
                        f"backtest?dataset_id={dataset}",
                    )
                )
                answer = session.post(f"{org}/{path}", timeout=30)
                if answer.status_code == 202:
                    with worked.lock:
                        worked.jobs.add(answer.json()["job_id"])
            # No features or no model yet are refusals that belong to it; an error of the server does not.
            assert answer.status_code in (200, 202, 404, 409, 503), f"{answer.status_code} {answer.text}"
            if answer.status_code == 503:
                worked.refused += 1
        except (requests.ConnectionError, requests.Timeout):
            time.sleep(0.02)


@pytest.mark.parametrize(("place", "kills"), [("SQLite and a folder", 30), ("PostgreSQL and Supabase Storage", 10)])
def test_nothing_accepted_is_lost(world: World, place: str, kills: int) -> None:
    kills = int(os.environ.get("CHURN_KILLS", kills))
    chance = random.Random(42)
    variables = {
        "PORT": str(free_port()),
        "DATA_DIR": str(world.folder / "data"),
        "LOG_LEVEL": "warn",
        "RATE_LIMIT": "0",
        "ORPHAN_GRACE_SECONDS": "10",
        "SWEEP_SECONDS": "1",
        "JOB_LEASE_SECONDS": "2",
        "JOB_ATTEMPTS": "100",
    }
    url = f"http://127.0.0.1:{variables['PORT']}"
    supabase = None
    if place.startswith("PostgreSQL"):
        supabase = world.standin()
        variables |= {
            "DATABASE_URL": world.database(),
            "SUPABASE_URL": supabase,
            "SUPABASE_SERVICE_KEY": SECRET_KEY,
        }

    def start(role: str):
        return world.start(role, variables, *(["worker"] if role == "worker" else []))

    running = {"server": start("server")}
    running["server"].wait_until_there()
    running["worker"] = start("worker")
    worked = Worked()
    failures: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            work(url, number, worked)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(kills):
            time.sleep(chance.uniform(0.05, 1.2))
            role = chance.choice(("server", "server", "worker"))
            running[role].kill()
            running[role] = start(role)
            if role == "server":
                running[role].wait_until_there()
        time.sleep(1)
    finally:
        worked.stop.set()
        for thread in threads:
            thread.join()
    assert not failures, failures
    # A run in which nothing was accepted, or nothing killed at work, would prove nothing.
    assert len(worked.files) >= kills / 2
    assert len(worked.jobs) >= kills / 10

    client = Client(url, "crash")
    ended = {job: client.wait(job, 300) for job in sorted(worked.jobs)}
    strange = [job for job in ended.values() if job["status"] == "failed" and job["error"]["code"] in ("internal", "")]
    assert not strange, strange[:3]
    states = [job["status"] for job in ended.values()]
    assert "completed" in states

    for dataset, digest in worked.files.items():
        answer = client.session.get(f"{client.org}/datasets/{dataset}/file", timeout=60)
        assert answer.status_code == 200, f"{dataset} was accepted and is gone: {answer.text}"
        assert hashlib.sha256(answer.content).hexdigest() == digest, f"{dataset} has changed"

    def listed(path: str, name: str) -> list[dict]:
        rows: list[dict] = []
        while True:
            page = client.call("GET", f"/{path}?limit=500&offset={len(rows)}")
            rows.extend(page[name])
            if len(rows) >= page["total"] or not page[name]:
                return rows

    # Jobs of answers that were lost end too.
    end = time.monotonic() + 300
    while any(job["status"] in ("queued", "running") for job in listed("jobs", "jobs")):
        assert time.monotonic() < end, "some jobs do not end"
        time.sleep(0.2)
    # The grace time, and a sweep.
    time.sleep(14)
    datasets, models, batches, backtests = (
        listed("datasets", "datasets"),
        listed("models", "models"),
        listed("prediction-batches", "batches"),
        listed("backtests", "backtests"),
    )
    assert set(worked.files) <= {dataset["dataset_id"] for dataset in datasets}
    assert not [row for row in datasets if row["status"] == "processing"]
    assert not [row for row in models if row["status"] == "training"]
    assert not [row for row in batches + backtests if row["status"] in ("queued", "processing")]
    # Every model that is listed as complete can be read, and is a whole document.
    for model in models:
        if model["status"] == "completed":
            document = client.call("GET", f"/models/{model['model_id']}/document")
            assert document["format"] == "churn-model"
    # And every backtest has its result.
    for row in backtests:
        found = client.call("GET", f"/backtests/{row['backtest_id']}")
        assert (found["result"] is not None) == (row["status"] == "completed"), found

    known = {row["dataset_id"] for row in datasets}
    known |= {row["model_id"] for row in models} | {row["batch_id"] for row in batches}
    known |= {row["backtest_id"] for row in backtests}

    def files_and_orphans() -> tuple[list[str], list[str]]:
        if supabase:
            files = objects(supabase)
        else:
            storage = world.folder / "data" / "storage"
            files = [str(path) for path in storage.rglob("*") if path.is_file()]
        # The markers say whose the files are.
        files = [path for path in files if os.path.basename(path) != "churn.installation"]
        return files, [path for path in files if not any(identity in os.path.basename(path) for identity in known)]

    # On a busy machine an attempt that has lost its lease may still be writing. What it writes must go too.
    end = time.monotonic() + 60
    files, orphans = files_and_orphans()
    while orphans and time.monotonic() < end:
        time.sleep(1)
        files, orphans = files_and_orphans()
    assert len(files) >= len(worked.files)
    assert not orphans, orphans[:10]
    assert running["worker"].stop() == 0
    assert running["server"].stop() == 0
    print(
        f"{place}: {kills} kills, {len(worked.files)} uploads accepted, {len(worked.jobs)} jobs accepted,"
        f" {states.count('completed')} completed, {states.count('failed')} failed, {worked.refused} answers 503"
    )
