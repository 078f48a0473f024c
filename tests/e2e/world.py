"""What the tests start and stop: the server and its workers, a stand-in for Supabase Storage, a PostgreSQL. Each runs
in a folder of its own, knows only the variables that it is given, and is gone when the test is over."""

import base64
import glob
import hashlib
import hmac
import json
import os
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Optional

import requests

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
SERVER = Path(os.environ.get("CHURN_SERVER", TARGET / "debug" / "churn-server"))
STANDIN = SERVER.parent / "examples" / "supabase_standin"
BASE = "/api/v1/churn/v2"
SECRET = "a secret of the tests that is long enough"
# The keys that the stand-in knows (churn-server/tests/standin/mod.rs).
SERVICE_TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.c2VydmljZQ"
SECRET_KEY = "sb_secret_0123456789abcdef"


# Objects in a page of a list of Supabase Storage.
PAGE = 1000


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Process:
    """A program in the background; its first words say where it is."""

    def __init__(self, command: list[str], variables: dict[str, str], folder: Path, name: str) -> None:
        self.log = folder / f"{name}.log"
        with self.log.open("ab") as log:
            environment = {"PATH": os.environ["PATH"], **variables}
            self.process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=log)
        self.words = ""
        self.url = ""
        self.found = threading.Event()
        self.listener = threading.Thread(target=self._listen, daemon=True)
        self.listener.start()

    def _listen(self) -> None:
        with self.process.stdout as words:
            for line in words:
                self.words += line.decode(errors="replace")
                if (address := re.search(r"http://[\d.]+:\d+", self.words)) and not self.url:
                    self.url = address[0]
                    self.found.set()
        self.found.set()

    def wait_until_there(self) -> None:
        self.found.wait(60)
        assert self.url, f"it does not start: {self.words}{self.log.read_text()[-3000:]}"

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait()
        self.listener.join()

    def status(self, name: str) -> int:
        """A number of /proc/PID/status, such as VmRSS, the memory that it holds, in kB."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"^{name}:\s+(\d+)", text, re.MULTILINE)[1])

    def forget_peak(self) -> None:
        """Lets VmHWM, the most memory that it held, begin anew."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def stop(self, timeout: float = 60) -> int:
        """Asks it to stop, and returns its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(timeout)
            self.listener.join()
            return status
        except subprocess.TimeoutExpired:
            self.kill()
            raise


class World:
    """Servers, workers and what they stand on, in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[Process] = []
        self.postgres: Optional[Postgres] = None

    def start(self, name: str, variables: dict[str, str], *arguments: str) -> Process:
        process = Process([str(SERVER), *arguments], variables, self.folder, name)
        self.processes.append(process)
        return process

    def serve(self, **variables: str) -> Process:
        given = {"PORT": "0", "DATA_DIR": str(self.folder / "data"), "LOG_LEVEL": "warn", "RATE_LIMIT": "0"}
        server = self.start("server", given | variables)
        server.wait_until_there()
        return server

    def standin(self) -> str:
        process = Process([str(STANDIN)], {}, self.folder, "standin")
        self.processes.append(process)
        process.wait_until_there()
        return process.url

    def database(self) -> str:
        self.postgres = Postgres()
        return self.postgres.url

    def close(self) -> None:
        for process in reversed(self.processes):
            if process.process.poll() is None:
                process.kill()
        if self.postgres:
            self.postgres.close()


def objects(supabase: str) -> list[str]:
    """The paths of all files in the stand-in for Supabase Storage, which lists one level of a folder at a time."""

    def below(bucket: str, prefix: str) -> list[str]:
        found: list[dict] = []
        while len(found) % PAGE == 0:
            wish = {"prefix": prefix, "limit": PAGE, "offset": len(found)}
            url, headers = f"{supabase}/storage/v1/object/list/{bucket}", {"apikey": SECRET_KEY}
            answer = requests.post(url, json=wish, headers=headers, timeout=60)
            answer.raise_for_status()
            if not answer.json():
                break
            found.extend(answer.json())
        paths: list[str] = []
        for entry in found:
            path = f"{prefix}{entry['name']}"
            paths.extend(below(bucket, f"{path}/") if entry["id"] is None else [f"{bucket}/{path}"])
        return paths

    return [path for bucket in ("datasets", "utils", "models") for path in below(bucket, "")]


class Postgres:
    """A PostgreSQL of one's own on a free port. It refuses to run as root, so then it runs as another user."""

    def __init__(self) -> None:
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
        self.bin = found[-1] if found else os.path.dirname(shutil.which("initdb") or "")
        assert self.bin, "PostgreSQL is needed: initdb and pg_ctl"
        self.folder = Path(tempfile.mkdtemp(prefix="churn-postgres-"))
        self.user = None
        if os.geteuid() == 0:
            self.user = next(name for name in ("postgres", "nobody") if self._is_user(name))
            shutil.chown(self.folder, self.user)
        port = free_port()
        self._run(
            "initdb", "-D", str(self.folder / "data"), "-U", "churn", "-A", "trust", "-N", "-E", "UTF8", "--locale=C"
        )
        self.options = f"-p {port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        self.start()
        self.url = f"postgres://churn@127.0.0.1:{port}/postgres"

    @staticmethod
    def _is_user(name: str) -> bool:
        try:
            pwd.getpwnam(name)
        except KeyError:
            return False
        return True

    def _run(self, program: str, *arguments: str) -> None:
        # The output goes to a file: a pipe would stay open with the server.
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(
                [f"{self.bin}/{program}", *arguments],
                user=self.user,
                cwd="/",
                stdout=output,
                stderr=output,
                timeout=120,
            )
            output.seek(0)
            assert done.returncode == 0, f"{program}: {output.read().decode(errors='replace')}"

    def stop(self) -> None:
        """Takes the database away, at once."""
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "-w", "stop")

    def start(self) -> None:
        """Brings it, or brings it back."""
        data, log = str(self.folder / "data"), str(self.folder / "log")
        self._run("pg_ctl", "-D", data, "-o", self.options, "-l", log, "-w", "start")

    def close(self) -> None:
        if (self.folder / "data" / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self.folder)


def token(claims: dict[str, Any], secret: str = SECRET, algorithm: str = "HS256") -> str:
    """A JWT, by RFC 7515 and RFC 7519 rather than by the server's library."""

    def part(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    head = part(json.dumps({"alg": algorithm, "typ": "JWT"}).encode())
    signed = f"{head}.{part(json.dumps(claims).encode())}"
    digests = {"HS256": hashlib.sha256, "HS512": hashlib.sha512}
    if algorithm not in digests:
        return f"{signed}."
    return f"{signed}.{part(hmac.digest(secret.encode(), signed.encode(), digests[algorithm]))}"


def claims(organization: str, role: str = "admin", seconds: int = 3600) -> dict[str, Any]:
    """As Supabase issues them."""
    now = int(time.time())
    app = {"organization_id": organization, "churn_role": role}
    return {
        "sub": f"user of {organization}",
        "aud": "authenticated",
        "iat": now,
        "exp": now + seconds,
        "app_metadata": app,
    }


class Client:
    """Calls the API for one organization."""

    def __init__(self, url: str, organization: str, token: str = "") -> None:
        self.base = f"{url}{BASE}"
        self.org = f"{self.base}/organizations/{organization}"
        self.session = requests.Session()
        # Requests that were answered as expected.
        self.requests = 0
        if token:
            self.session.headers["Authorization"] = f"Bearer {token}"

    def call(self, method: str, path: str, expected: int = 200, **arguments: Any) -> Any:
        answer = self.session.request(method, f"{self.org}{path}", timeout=120, **arguments)
        assert answer.status_code == expected, f"{method} {path}: {answer.status_code} {answer.text[:2000]}"
        self.requests += 1
        return answer.json() if answer.content else None

    def upload(self, csv: bytes) -> str:
        return self.call("POST", "/upload-dataset", files={"file": ("log.csv", csv, "text/csv")})["dataset_id"]

    def wait(self, job: str, seconds: float = 120) -> Any:
        end = time.monotonic() + seconds
        while True:
            found = self.call("GET", f"/jobs/{job}")
            if found["status"] in ("completed", "failed", "cancelled"):
                return found
            assert time.monotonic() < end, f"a job does not end: {found}"
            time.sleep(0.05)

    def done(self, job: str) -> None:
        found = self.wait(job)
        assert found["status"] == "completed", found

    def train(self, csv: bytes) -> dict[str, str]:
        """The whole way once; the ids of what came of it."""
        dataset = self.upload(csv)
        self.done(self.call("POST", f"/datasets/{dataset}/process-features", 202)["job_id"])
        training = self.call("POST", "/train?model_type=logistic_regression", 202)
        self.done(training["job_id"])
        batch = self.call("POST", f"/predict-bulk?dataset_id={dataset}", 202)
        self.done(batch["job_id"])
        ids = {"dataset_id": dataset, "job_id": batch["job_id"], "batch_id": batch["batch_id"]}
        return ids | {"model_id": training["model_id"]}

    def backtest(self, dataset: str) -> str:
        """A backtest of few cutoffs, by its id."""
        started = self.call("POST", f"/backtest?dataset_id={dataset}", 202, json={"most_cutoffs": 3, "audit": False})
        self.done(started["job_id"])
        return started["backtest_id"]


def transactions(seed: int, customers: int = 300, days: int = 720) -> bytes:
    """A log in which everybody buys at a pace of their own and a third of them stop on some day."""
    chance = random.Random(seed)
    rows = ["customer_id,event_date,amount,event_type\n"]
    for customer in range(customers):
        pace, day = 4 + 40 * chance.random(), chance.random() * days / 2
        stops = days if chance.random() < 0.67 else days * chance.random()
        while day < stops:
            when = date(2024, 1, 1) + timedelta(days=int(day))
            rows.append(f"c{customer:05},{when},{5 + 95 * chance.random():.2f},purchase\n")
            day += pace * (0.3 + 1.4 * chance.random())
    rows.append(f"c00000,{date(2024, 1, 1) + timedelta(days=days)},10.00,purchase\n")
    return "".join(rows).encode()
