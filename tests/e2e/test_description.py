"""Every endpoint against its own description, with inputs that fit it and inputs that do not: no 5xx, and no answer
that the description does not know. CHURN_EXAMPLES sets the inputs an operation (default 25)."""

import os
import subprocess
import sys
from pathlib import Path

from world import SECRET, Client, World, claims, token, transactions

EXAMPLES = os.environ.get("CHURN_EXAMPLES", "25")
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def test_answers_are_as_described(world: World) -> None:
    server = world.serve(SECRET_KEY=SECRET, LOG_LEVEL="error", JOB_WORKERS="1")
    # Something is there, so that what is asked for can be found.
    client = Client(server.url, "acme", token(claims("acme")))
    client.backtest(client.train(transactions(1))["dataset_id"])
    schemathesis = Path(sys.executable).with_name("schemathesis")
    command = [
        str(schemathesis), "run", f"{server.url}/openapi.json", "--checks", CHECKS, "--max-examples", EXAMPLES,
        "--phases", "examples,coverage,fuzzing", "--seed", "7", "--workers", "2", "--no-shrink", "--warnings", "off",
        "--suppress-health-check", "all", "--continue-on-failure", "--request-timeout", "60",
        "--header", f"Authorization:Bearer {token(claims('*'))}",
    ]  # fmt: skip
    environment = {**os.environ, "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}
    done = subprocess.run(command, cwd=world.folder, env=environment, capture_output=True, text=True, timeout=900)
    report = done.stdout + done.stderr
    assert done.returncode == 0, report[-12_000:]
    print(report[-1500:])
    assert server.process.poll() is None
    assert server.stop() == 0
