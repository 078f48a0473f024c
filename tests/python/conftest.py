"""What the tests share: the vectors, and a made-up log."""

from __future__ import annotations

import datetime
import json
import math
import random
from pathlib import Path
from typing import Any

import pytest

import churn

ROOT = Path(__file__).resolve().parents[2]
VECTORS = ROOT / "tests" / "vectors"

Row = tuple[str, datetime.date, "float | None", "str | None"]


def vectors(name: str) -> Any:
    """Give the JSON of a file of vectors."""
    return json.loads((VECTORS / name).read_text(encoding="utf-8"))


def agree(found: float | None, expected: float | None) -> bool:
    """Whether two numbers are equal to 1e-9 relative or 1e-12 absolute; missing equals missing and nothing else."""
    a = math.nan if found is None else found
    b = math.nan if expected is None else expected
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return abs(a - b) <= max(1e-12, 1e-9 * max(abs(a), abs(b)))


def made_up_log(seed: int, customers: int, days: int = 540) -> list[Row]:
    """Rows of customers who each have a pace of their own and of whom half stop at some day."""
    draw = random.Random(seed)
    first = datetime.date(2023, 1, 1)
    rows: list[Row] = []
    for customer in range(customers):
        pace, at = draw.uniform(4, 40), draw.uniform(0, days / 2)
        stop = days if draw.random() < 0.5 else draw.uniform(at, days)
        while at < days and at <= stop:
            amount = None if draw.random() < 0.1 else round(draw.uniform(-40, 200), 2)
            kind = draw.choice(["purchase", "purchase", "login", "support", None])
            rows.append((f"c{customer:04}", first + datetime.timedelta(days=int(at)), amount, kind))
            at += pace * draw.uniform(0.2, 1.8)
    rows.append(("c0000", first + datetime.timedelta(days=days), 1.0, "purchase"))
    draw.shuffle(rows)
    return rows


def columns_of(rows: list[Row]) -> dict[str, list[Any]]:
    """Give the rows as a dict of columns."""
    names = ["customer_id", "event_date", "amount", "event_type"]
    return {name: [row[at] for row in rows] for at, name in enumerate(names)}


def csv_of(rows: list[Row]) -> str:
    """Give the rows as CSV."""
    lines = [",".join("" if cell is None else str(cell) for cell in row) for row in rows]
    return "\n".join(["customer_id,event_date,amount,event_type", *lines]) + "\n"


@pytest.fixture(scope="session")
def rows() -> list[Row]:
    return made_up_log(1, 300)


@pytest.fixture(scope="session")
def columns(rows: list[Row]) -> dict[str, list[Any]]:
    return columns_of(rows)


@pytest.fixture(scope="session")
def events(columns: dict[str, list[Any]]) -> churn.Events:
    return churn.Events.from_table(columns)


@pytest.fixture(scope="session")
def model(events: churn.Events) -> churn.Model:
    return churn.train(events, "gradient_boosting", rounds=20)


@pytest.fixture(scope="session")
def logistic(events: churn.Events) -> churn.Model:
    return churn.train(events)
