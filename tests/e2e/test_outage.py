"""The database goes away and comes back; a worker, and servers without workers, tell how they are."""

import re
import time

import requests
from world import SECRET, Client, Process, World, claims, token, transactions

CUSTOMER = {"customer_id": "C1", "transactions": [{"event_date": "2025-12-01", "amount": 5}], "as_of": "2025-12-28"}


def metric(process: Process, name: str) -> float:
    text = requests.get(f"{process.url}/metrics", timeout=30).text
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    assert found, f"{name} is not in {text}"
    return float(found[1])


def wait_for(what: str, is_so) -> None:
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end, f"{what} does not come"
        time.sleep(0.1)


def test_the_database_goes_away_and_comes_back(world: World) -> None:
    variables = {"SECRET_KEY": SECRET, "DATABASE_URL": world.database(), "OFFLINE_SECONDS": "600"}
    server = world.serve(**variables)
    client = Client(server.url, "acme", token(claims("acme")))
    ids = client.train(transactions(1))
    key = client.call("POST", "/api-keys", 201, json={"name": "crm", "role": "read"})["key"]
    keyed = Client(server.url, "acme", key)
    before = keyed.call("POST", "/predict", json=CUSTOMER)
    assert metric(server, "churn_database_up") == 1
    # A job that is at work while the database is away.
    path = f"/train?model_type=random_forest&activate=false&dataset_id={ids['dataset_id']}"
    long = client.call("POST", path, 202, json={"trees": 3000, "max_depth": 10})["job_id"]
    wait_for("a running job", lambda: client.call("GET", f"/jobs/{long}")["status"] == "running")

    world.postgres.stop()
    wait_for("a database that is away", lambda: metric(server, "churn_database_up") == 0)
    times = []
    for wanted in (client, Client(server.url, "acme", "churn_unknown")):
        for _ in range(20):
            start = time.perf_counter()
            answer = wanted.session.get(f"{wanted.org}/datasets", timeout=60)
            times.append(time.perf_counter() - start)
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable"), answer.text
            assert "retry-after" in answer.headers
    print(f"\nwithout the database a refusal takes {1000 * sorted(times)[len(times) // 2]:.1f} ms (median)")
    # Forty requests that waited for a connection would take two minutes.
    assert sum(times) < 30
    # What is in memory goes on, by tokens and by keys that were known.
    for _ in range(30):
        for who in (client, keyed):
            assert who.call("POST", "/predict", json=CUSTOMER) == before
        time.sleep(0.1)
    assert metric(server, "churn_offline_seconds") > 1
    assert metric(server, "churn_offline_limit_seconds") == 600
    assert requests.get(f"{server.url}/healthz", timeout=30).status_code == 200

    world.postgres.start()
    wait_for("the database", lambda: metric(server, "churn_database_up") == 1)
    client.call("GET", "/datasets")
    assert metric(server, "churn_offline_seconds") == 0
    found = client.wait(long)
    # Its end was written as soon as the database was back, or it was begun anew.
    assert found["status"] == "completed", found
    assert found["attempts"] <= 2, found
    assert server.stop() == 0


def test_every_process_tells_how_it_is(world: World) -> None:
    shared = {"DATABASE_URL": world.database(), "DATA_DIR": str(world.folder / "data"), "LOG_LEVEL": "warn"}
    server = world.serve(JOB_WORKERS="0", **shared)
    client = Client(server.url, "acme")
    dataset = client.upload(transactions(1))
    job = client.call("POST", f"/datasets/{dataset}/process-features", 202)["job_id"]
    training = client.call("POST", "/train", 202)["job_id"]
    time.sleep(1.1)
    assert metric(server, 'churn_jobs{status="queued"}') == 2
    assert metric(server, 'churn_jobs{status="running"}') == 0
    assert metric(server, "churn_jobs_organizations") == 1
    assert metric(server, "churn_jobs_longest_wait_seconds") > 0.5
    assert client.call("GET", f"/jobs/{job}?wait=1")["status"] == "queued"

    workers = [world.start(f"worker{number}", {**shared, "JOB_WORKERS": "1"}, "worker") for number in range(2)]
    for worker in workers:
        worker.wait_until_there()
        assert requests.get(f"{worker.url}/healthz", timeout=30).json() == {"status": "ok"}
        # No more than that is answered there.
        assert requests.get(f"{worker.url}/api/v1/churn/v2/session", timeout=30).status_code == 404
    # The usual port for one of them at most, and another for the other.
    assert workers[0].url != workers[1].url
    client.done(training)
    time.sleep(1.1)
    for process in (server, *workers):
        assert metric(process, 'churn_jobs{status="queued"}') == 0, process.url
        assert metric(process, "churn_database_up") == 1
    done = sum(
        requests.get(f"{worker.url}/metrics", timeout=30).text.count(
            'churn_jobs_total{kind="train",outcome="completed"}'
        )
        for worker in workers
    )
    assert done == 1
    taken = world.start("worker2", {**shared, "WORKER_PORT": workers[0].url.rsplit(":", 1)[1]}, "worker")
    assert taken.process.wait(60) != 0
    assert "WORKER_PORT" in taken.log.read_text()
    for worker in workers:
        assert worker.stop() == 0
