"""The workflow of the original service, as its users have it in their programs: no pause, and no look at any status,
between the steps."""

import json
import subprocess
from typing import Any

import pytest
import requests
from world import BASE, SECRET_KEY, World, transactions

PLACES = ["SQLite and a folder", "PostgreSQL and Supabase"]


def variables(world: World, place: str) -> dict[str, str]:
    if not place.startswith("PostgreSQL"):
        return {}
    return {"DATABASE_URL": world.database(), "SUPABASE_URL": world.standin(), "SUPABASE_SERVICE_KEY": SECRET_KEY}


@pytest.mark.parametrize("place", PLACES)
def test_the_example_in_python(world: World, place: str) -> None:
    base = f"{world.serve(**variables(world, place)).url}{BASE}"
    org = f"{base}/organizations/your-org-id"
    sample = world.folder / "customer_data.csv"
    sample.write_bytes(transactions(1))

    with sample.open("rb") as file:
        answer = requests.post(f"{org}/upload-dataset", files={"file": file}, data={"has_churn_label": False})
    dataset_id = answer.json()["dataset_id"]
    requests.post(f"{org}/datasets/{dataset_id}/process-features")
    requests.post(f"{org}/train", params={"model_type": "logistic_regression"})
    status = requests.get(f"{org}/training-status").json()["status"]
    customer = {
        "customer_id": "CUST-001",
        "transactions": [
            {"event_date": "2024-01-15", "amount": 150.50},
            {"event_date": "2024-01-20", "amount": 200.00},
        ],
    }
    prediction: dict[str, Any] = requests.post(f"{org}/predict", json=customer).json()

    assert status in ("training", "completed"), status
    assert 0 <= prediction["churn_probability"] <= 1, prediction
    assert prediction["risk_segment"] in ("Low", "Medium", "High", "Critical"), prediction
    assert requests.get(f"{org}/training-status?wait=20", timeout=60).json()["status"] == "completed"


@pytest.mark.parametrize("place", PLACES)
def test_the_four_lines_of_curl(world: World, place: str) -> None:
    url = world.serve(**variables(world, place)).url
    (world.folder / "sample.csv").write_bytes(transactions(2))
    org = f"{url}{BASE}/organizations/acme"
    # The block, with its placeholders filled in; only the id of the data set has to be read from the first answer.
    block = f"""
        first=$(curl -s -X POST "{org}/upload-dataset" -F "file=@sample.csv"); echo "$first"
        dataset_id=$(echo "$first" | sed 's/.*"dataset_id":"\\([^"]*\\)".*/\\1/')
        curl -s -X POST "{org}/datasets/$dataset_id/process-features"; echo
        curl -s -X POST "{org}/train"; echo
        curl -s -X POST "{org}/predict" -H "Content-Type: application/json" \\
            -d '{{"customer_id": "C001", "transactions": [{{"event_date": "2024-01-15", "amount": 150.5}}]}}'; echo
    """
    done = subprocess.run(["bash", "-c", block], cwd=world.folder, capture_output=True, text=True, timeout=120)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer.get("success") for answer in answers[:3]] == [True, True, True], answers
    assert answers[3]["risk_segment"] in ("Low", "Medium", "High", "Critical"), answers
