"""From a file of transactions to the customers at risk, through the REST API. Needs `requests`.

    CHURN_URL=http://127.0.0.1:5000 CHURN_TOKEN=… CHURN_ORG=acme python walkthrough.py

A server that runs open needs no CHURN_TOKEN; otherwise it is an API key or a JWT with the role admin.
"""

import csv
import datetime
import io
import os
import random
import time
from typing import Any

import requests

URL = os.environ.get("CHURN_URL", "http://127.0.0.1:5000").rstrip("/") + "/api/v1/churn/v2"
TOKEN = os.environ.get("CHURN_TOKEN", "")
ORG = os.environ.get("CHURN_ORG", "walkthrough")

session = requests.Session()
if TOKEN:
    session.headers["Authorization"] = f"Bearer {TOKEN}"


def call(method: str, path: str, **arguments: Any) -> Any:
    """The JSON of an answer; the code and the message of the API where it is a refusal."""
    answer = session.request(method, f"{URL}/{path}", timeout=60, **arguments)
    if not answer.ok:
        raise SystemExit(f"{method} {path}: {answer.status_code} {answer.text}")
    return answer.json()


def wait(job_id: str) -> None:
    """Waits for a job that runs in the background."""
    while True:
        job = call("GET", f"organizations/{ORG}/jobs/{job_id}")
        if job["status"] == "completed":
            return
        if job["status"] in ("failed", "cancelled"):
            raise SystemExit(f"{job['kind']} {job['status']}: {job['error']}")
        time.sleep(0.2)


def transactions(seed: int = 7, customers: int = 400) -> str:
    """Two years of made-up purchases as CSV: everybody has a pace, and half of them stop on some day."""
    chance = random.Random(seed)
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["customer_id", "event_date", "amount", "event_type"])
    first, days = datetime.date(2024, 1, 1), 730
    for customer in range(customers):
        pace, day = 5 * 12 ** chance.random(), days / 2 * chance.random()
        stops = days if customer % 2 == 0 else day + (days - day) * chance.random()
        while day <= min(stops, days):
            bought = first + datetime.timedelta(days=int(day))
            rows.writerow([f"C{customer:04}", bought, f"{5 + 95 * chance.random():.2f}", "purchase"])
            day += pace * (0.2 + 1.6 * chance.random())
    rows.writerow(["C0000", first + datetime.timedelta(days=days), "20.00", "purchase"])
    return text.getvalue()


# An organization; that it is there already is fine.
made = session.post(f"{URL}/organizations", json={"organization_id": ORG}, timeout=60)
if made.status_code not in (201, 409):
    raise SystemExit(f"organizations: {made.status_code} {made.text}")

# 1. Upload.
uploaded = call(
    "POST",
    f"organizations/{ORG}/upload-dataset",
    files={"file": ("transactions.csv", transactions(), "text/csv")},
    data={"has_churn_label": "false"},
)
dataset_id = uploaded["dataset_id"]
print(f"uploaded {uploaded['row_count']} rows as {dataset_id}")

# 2. Features.
started = call("POST", f"organizations/{ORG}/datasets/{dataset_id}/process-features")
wait(started["job_id"])
dataset = call("GET", f"organizations/{ORG}/datasets/{dataset_id}")
print(f"features of {dataset['customers']} customers: {dataset['status']}")

# 3. A model.
started = call("POST", f"organizations/{ORG}/train", params={"model_type": "logistic_regression", "activate": "true"})
wait(started["job_id"])
status = call("GET", f"organizations/{ORG}/training-status")
print(f"model {status['model_version']}: AUC {status['roc_auc']:.3f}, recency alone {status['recency_auc']:.3f}")

# 4. One customer.
customer = {
    "customer_id": "C001",
    "transactions": [
        {"event_date": "2025-06-03", "amount": 25.0, "event_type": "purchase"},
        {"event_date": "2025-08-19", "amount": 31.5, "event_type": "purchase"},
    ],
    "as_of": "2025-12-31",
}
one = call("POST", f"organizations/{ORG}/predict", params={"explain": "true"}, json=customer)
print(f"{one['customer_id']}: {one['churn_probability']:.2f}, {one['risk_segment']}")
for reason in one["reasons"]:
    print(f"  {'+' if reason['raises_risk'] else '-'} {reason['text']}")

# 5. All customers, and those at the greatest risk.
started = call("POST", f"organizations/{ORG}/predict-bulk", params={"dataset_id": dataset_id})
wait(started["job_id"])
batch = call("GET", f"organizations/{ORG}/prediction-batches/{started['batch_id']}")
print(f"{batch['customers']} customers as of {batch['as_of']}: {batch['segments']}")
found = call("GET", f"organizations/{ORG}/prediction-customers", params={"risk_segment": "Critical", "limit": 5})
for one in found["customers"]:
    print(f"{one['customer_id']}: {one['churn_probability']:.2f}, expected profit {one['expected_profit']:.2f}")
