"""The customers that a model speaks of, at every door of the package."""

from __future__ import annotations

import datetime
import lzma
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import churn
from churn import errors

FIRST = datetime.date(2023, 1, 1)


def rows_of_visits() -> list[tuple[str, datetime.date, float]]:
    """200 customers over two years, of whom every fifth stops within its first year."""
    rows = []
    for customer in range(200):
        until = 150 + customer if customer % 5 == 0 else 730
        for offset in range(customer % 17, until, 10 + customer % 30):
            rows.append((f"c{customer:03}", FIRST + datetime.timedelta(days=offset), 5.5 + customer % 40))
    return rows


@pytest.fixture(scope="module")
def visits() -> churn.Events:
    rows = rows_of_visits()
    names = ["customer_id", "event_date", "amount"]
    return churn.Events.from_table({name: [row[at] for row in rows] for at, name in enumerate(names)})


@pytest.fixture(scope="module")
def visitors(visits: churn.Events) -> churn.Model:
    return churn.train(visits, "logistic_regression")


@pytest.fixture(scope="module")
def active(visits: churn.Events) -> list[str]:
    """Customers with an event in the 365 days up to the last day, counted from the rows."""
    since = visits.last_day - datetime.timedelta(days=365)
    return sorted({customer for customer, day, _ in rows_of_visits() if day > since})


def test_every_door_takes_the_covered(visits: churn.Events, visitors: churn.Model, active: list[str]) -> None:
    inactive = 200 - len(active)
    assert inactive > 10
    predictions = visitors.predict(visits)
    assert predictions.customer_id == active
    assert predictions.coverage == {"covered": len(active), "inactive": inactive}
    assert predictions.covered is None
    assert predictions.findings == []
    assert f"{inactive} inactive ones left out" in repr(predictions)
    table = visitors.features(visits)
    assert table.customer_ids == active
    assert table.coverage == predictions.coverage
    assert visitors.explain(visits).customer_ids == active
    # A table of everybody, made without the model, is cut down in the same way.
    everybody = churn.features(visits, **{k: v for k, v in (table.config or {}).items() if v is not None})
    assert len(everybody) == 200
    np.testing.assert_array_equal(visitors.predict(everybody).churn_probability, predictions.churn_probability)
    assert visitors.explain(everybody).customer_ids == active
    contacts = churn.profit.contact_list(predictions, rank_by="probability")
    assert set(contacts.customer_id) <= set(active)
    assert set(visitors.slipping_away(visits).customer_id) <= set(active)


def test_everybody_on_request(visits: churn.Events, visitors: churn.Model, active: list[str]) -> None:
    everybody = visitors.predict(visits, include_inactive=True)
    assert len(everybody) == 200
    assert everybody.covered is not None
    assert everybody.covered.dtype == np.bool_
    assert [c for c, covered in zip(everybody.customer_id, everybody.covered) if covered] == active
    assert everybody.coverage == {"covered": len(active), "inactive": 200 - len(active)}
    np.testing.assert_array_equal(
        everybody.churn_probability[everybody.covered], visitors.predict(visits).churn_probability
    )
    table = visitors.features(visits, include_inactive=True)
    assert len(table) == len(visitors.explain(visits, include_inactive=True)) == 200
    assert len(visitors.predict(table)) == 200
    pytest.importorskip("pandas")
    frame = everybody.to_pandas()
    assert list(frame.columns) == ["customer_id", "churn_probability", "risk_segment", "covered"]
    assert frame["covered"].tolist() == everybody.covered.tolist()
    assert "covered" not in visitors.predict(visits).to_pandas()
    pa = pytest.importorskip("pyarrow")
    assert pa.table(everybody)["covered"].to_pylist() == everybody.covered.tolist()


def test_one_customer_is_always_answered(visitors: churn.Model) -> None:
    def at(last: str) -> Any:
        customer: Any = {"customer_id": "new", "transactions": [{"event_date": last, "amount": 5.0}]}
        found = visitors.predict_one(customer, "2024-12-31")
        explained = visitors.explain_one(customer, "2024-12-31", reasons=2)
        assert explained["prediction"] == found
        assert len(explained["reasons"]) <= 2
        assert explained["base"] + sum(explained["contributions"]) == pytest.approx(explained["margin"], abs=1e-9)
        return found

    # 2024 has a 29 February: 2024-01-02 is 364 days before 2024-12-31, 2024-01-01 is 365 days before.
    inside, outside = at("2024-01-02"), at("2024-01-01")
    assert inside["covered"] is True
    assert "note" not in inside
    assert outside["covered"] is False
    assert "2024-01-01" in outside["note"]
    assert "365 days" in outside["note"]


def test_nobody_covered(visits: churn.Events, visitors: churn.Model) -> None:
    later = visits.last_day + datetime.timedelta(days=1000)
    for call in (visitors.predict, visitors.features, visitors.explain):
        with pytest.raises(errors.NoCustomersError, match="include_inactive"):
            call(visits, later)
        assert len(call(visits, later, include_inactive=True)) == 200


def test_who_is_slipping_away(visits: churn.Events, visitors: churn.Model) -> None:
    # Slipping away is a rise of the same model's own predictions at two days.
    found = visitors.slipping_away(visits, days=45, customers=7, changes=1, event="visit")
    assert found.as_of == visits.last_day
    assert found.before == visits.last_day - datetime.timedelta(days=45)
    assert 0 < len(found) <= 7
    by_day = []
    for day in (found.before, found.as_of):
        predictions = visitors.predict(visits, day)
        by_day.append(dict(zip(predictions.customer_id, predictions.churn_probability)))
    rises = {customer: now - by_day[0][customer] for customer, now in by_day[1].items() if customer in by_day[0]}
    assert [rises[customer] for customer in found.customer_id] == sorted(rises.values(), reverse=True)[: len(found)]
    np.testing.assert_array_equal(found.churn_probability, [by_day[1][customer] for customer in found.customer_id])
    np.testing.assert_array_equal(found.probability_before, [by_day[0][customer] for customer in found.customer_id])
    assert all(len(changes) <= 1 for changes in found.changes)
    # The amounts of the last 365 days times the risk.
    since = visits.last_day - datetime.timedelta(days=365)
    for customer, risk, value in zip(found.customer_id, found.churn_probability, found.value_at_risk):
        spent = sum(amount for who, day, amount in rows_of_visits() if who == customer and day > since)
        assert value == pytest.approx(spent * risk)
    assert found.to_dict()["customers"][0]["customer_id"] == found.customer_id[0]
    with pytest.raises(errors.InvalidParameterError, match="days"):
        visitors.slipping_away(visits, days=0)


def test_two_models_on_a_log(visits: churn.Events, visitors: churn.Model) -> None:
    other = churn.train(visits, "gradient_boosting", rounds=10)
    found = churn.compare_models(visitors, other, visits, confidence=0.9)
    cutoff = visits.last_day - datetime.timedelta(days=90)
    assert found["cutoff"] == str(cutoff)
    assert found["in_sample"] is True
    labels = churn.labels(visits, cutoff)
    expected = churn.compare(labels, visitors.predict(visits, cutoff), other.predict(visits, cutoff), confidence=0.9)
    assert found["comparison"] == expected
    with pytest.raises(errors.FeatureMismatchError, match="different things"):
        churn.compare_models(visitors, churn.train(visits, horizon_days=60), visits)


def cdnow() -> str | None:
    """The text of the CDNOW log, or nothing where it is absent."""
    folder = Path(os.environ.get("CHURN_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
    if (folder / "cdnow_master.txt").exists():
        return (folder / "cdnow_master.txt").read_text()
    packed = folder / "cdnow_master.txt.xz"
    return lzma.decompress(packed.read_bytes()).decode() if packed.exists() else None


def test_cdnow_at_its_last_day() -> None:
    """8,332 customers bought in the 365 days up to 1998-06-30, 15,238 did not: counted by awk from the file."""
    text = cdnow()
    if text is None:
        pytest.skip("real data not found (set CHURN_DATA): cdnow_master.txt")
    rows = [line.split() for line in text.splitlines()[1:]]
    table: dict[str, Any] = {
        "customer_id": [int(row[0]) for row in rows],
        "event_date": [row[1] for row in rows],
        "amount": [float(row[3]) for row in rows],
    }
    events = churn.Events.from_table(table, date_format="%Y%m%d")
    model = churn.train(events)
    predictions = model.predict(events, "1998-06-30")
    assert len(predictions) == 8332
    assert predictions.coverage == {"covered": 8332, "inactive": 15238}
    last_seen: dict[int, str] = {}
    for customer, day in zip(table["customer_id"], table["event_date"]):
        last_seen[customer] = max(day, last_seen.get(customer, ""))
    contacts = churn.profit.contact_list(predictions, budget=500.0)
    assert len(contacts) > 0
    assert all(last_seen[int(customer)] > "19970630" for customer in contacts.customer_id)


def test_groups_are_written_for_mail_tools(tmp_path: Path) -> None:
    ids = ["=1+1", "+49 (170) 12-34", "@anna.b", "@SUM(A1)", 'a"b,c', "Zoë"]
    table = {"customer_id": ids, "churn_probability": [0.75] * len(ids)}
    contacts = churn.profit.contact_list(table, control_share=0.5)
    lines: list[str] = []
    for group, count in (("contact", contacts.contacts), ("control", contacts.controls)):
        contacts.write_group(group, tmp_path / group)  # type: ignore[arg-type]
        text = (tmp_path / group).read_bytes().decode("utf-8")
        header, *rows = text.removesuffix("\r\n").split("\r\n")
        assert header == "\ufeffcustomer_id,churn_probability,value,expected_profit"
        assert len(rows) == count
        lines += rows
    written = {line.rsplit(",", 3)[0] for line in lines}
    assert written == {'"\'=1+1"', '"+49 (170) 12-34"', '"@anna.b"', '"\'@SUM(A1)"', '"a""b,c"', '"Zoë"'}
    with pytest.raises(errors.InvalidParameterError, match="contact"):
        contacts.write_group("both", tmp_path / "x")  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError, match="nowhere"):
        contacts.write_group("contact", tmp_path / "nowhere" / "x")
