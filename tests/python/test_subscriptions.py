"""Subscriptions: the cases of the oracle, the exports of known systems, and a model from the periods to the list."""

from __future__ import annotations

import datetime
import json
import math
import pathlib
import random
from typing import Any

import numpy as np
import pytest

import churn
from churn import errors

TESTS = pathlib.Path(__file__).resolve().parent.parent
CASES = json.loads((TESTS / "vectors" / "subscriptions.json").read_text())


def near(found: Any, right: Any) -> bool:
    missing = found is None or (isinstance(found, float) and math.isnan(found))
    if right is None or missing:
        return missing and right is None
    return math.isclose(found, right, rel_tol=1e-9, abs_tol=1e-12)


@pytest.mark.parametrize("case", CASES["cases"], ids=lambda case: case["name"])
def test_every_case_has_the_values_of_the_oracle(case: dict[str, Any]) -> None:
    options = case["options"]
    gap = options["allowed_gap_days"]
    read: dict[str, Any] = {key: options[key] for key in ("ends_known", "last_day")}
    subscriptions = churn.read_subscriptions(case["periods"].encode(), **read)
    assert subscriptions.last_day.isoformat() == case["last_day"]
    for at in case["at"]:
        status = subscriptions.status(at["day"])
        assert {**dict.fromkeys(at["status"], "not_active"), **status} == at["status"]
        definition = {"horizon_days": at["horizon_days"], "gap_days": at["gap_days"], "allowed_gap_days": gap}
        if at["labels"]:
            labels = churn.labels(subscriptions, at["day"], **definition)
            found = {
                id: [int(churned), cause]
                for id, churned, cause in zip(labels.customer_id, labels.churned, labels.cause)
            }
            assert found == at["labels"]
        else:
            with pytest.raises((errors.CutoffOutsideDataError, errors.NoCustomersError)):
                churn.labels(subscriptions, at["day"], **definition)
        if at["features"]:
            table = churn.features(subscriptions, at["day"], allowed_gap_days=gap)
            assert table.names == CASES["columns"]["features"]
            assert set(table.customer_ids) == set(at["features"])
            levels = table.levels["plan"]
            for id, row in zip(table.customer_ids, table.to_numpy()):
                *numbers, plan = at["features"][id]
                assert all(near(float(a), b) for a, b in zip(row, numbers)), (at["day"], id)
                assert (None if np.isnan(row[-1]) else levels[int(row[-1])]) == plan
    months = churn.movements(subscriptions, gap)
    assert [month["month"][:7] for month in months] == [right["month"] for right in case["movements"]]
    for month, right in zip(months, case["movements"]):
        for kind in ("customers", "amounts"):
            assert all(near(month[kind][name], value) for name, value in right[kind].items())
        assert near(month["net_retention"], right["net_retention"])
        assert month["provisional"] == right["provisional"]


def market(customers: int) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    """Periods with an early end for the basic plan, and logins."""
    draw = random.Random(4)
    first = datetime.date(2023, 1, 1)
    names = ("customer_id", "start_date", "end_date", "plan", "amount", "known_at", "end_reason")
    periods: dict[str, list[Any]] = {name: [] for name in names}
    logins: dict[str, list[Any]] = {"customer_id": [], "event_date": []}
    for customer in range(customers):
        plan = draw.choice(["basic", "pro"])
        start = draw.randrange(600)
        length = int(draw.expovariate(1 / 150 if plan == "basic" else 1 / 500)) + 1
        end = start + length
        reason = draw.choice(["voluntary", "voluntary", "involuntary"])
        notice = 15 if reason == "voluntary" else 0
        ended = end - notice <= 730
        row = [
            7 * customer, first + datetime.timedelta(start), first + datetime.timedelta(end) if ended else None, plan,
            20.0 if plan == "pro" else 8.0,
            first + datetime.timedelta(max(start, end - notice)) if ended else None, reason if ended else None,
        ]  # fmt: skip
        for name, value in zip(names, row):
            periods[name].append(value)
        for day in range(start, min(end, 730), draw.randrange(5, 25)):
            logins["customer_id"].append(7 * customer)
            logins["event_date"].append(first + datetime.timedelta(day))
    return periods, logins


def test_from_the_periods_to_the_list(tmp_path: pathlib.Path) -> None:
    pytest.importorskip("pandas")
    periods, logins = market(2000)
    subscriptions = churn.Subscriptions.from_table(periods, last_day="2024-12-31")
    usage = churn.Events.from_table(logins)
    assert repr(subscriptions).startswith("<Subscriptions: 2000 periods of 2000 customers, 2023-01-0")
    model = churn.train(subscriptions, "logistic_regression", horizon_days=60, usage=usage)
    assert model.audit
    assert model.audit["inputs"] == ["subscriptions", "events"]
    assert "subscription ends within 60 days" in model.definition
    assert model.evaluation["protocol"] == "out_of_time"
    predictions = model.predict(subscriptions, usage=usage)
    status = subscriptions.status()
    counts = {kind: sum(value == kind for value in status.values()) for kind in set(status.values())}
    assert predictions.coverage == {
        "covered": counts["active"], "inactive": 0, "not_active": counts["not_active"],
        "already_cancelled": counts["already_cancelled"],
    }  # fmt: skip
    frame = predictions.to_pandas()
    # Ids keep their type, and the causes add up.
    assert set(frame["customer_id"]) == {id for id, kind in status.items() if kind == "active"}
    assert set(predictions.causes) == {"voluntary", "involuntary"}
    assert np.allclose(frame["voluntary"] + frame["involuntary"], frame["churn_probability"], rtol=0, atol=1e-12)
    basic = {id for id, plan in zip(periods["customer_id"], periods["plan"]) if plan == "basic"}
    is_basic = frame["customer_id"].isin(basic)
    assert frame["churn_probability"][is_basic].mean() > 1.5 * frame["churn_probability"][~is_basic].mean()
    # Those who have cancelled are scored on request.
    everybody = model.predict(subscriptions, include_inactive=True, usage=usage)
    assert len(everybody) == counts["active"] + counts["already_cancelled"]
    assert everybody.covered is not None
    assert everybody.covered.sum() == counts["active"]
    # The lists: who has cancelled, whose payment may fail, what each is expected to pay, and whose risk rose.
    base = subscriptions.customer_base()
    assert [row["customer_id"] for row in base["cancelled"]] == [
        id for id, kind in status.items() if kind == "already_cancelled"
    ]
    assert all(row["end_date"] > subscriptions.last_day for row in base["cancelled"])
    paid = dict(zip(periods["customer_id"], periods["amount"]))
    assert base["active_amount"] == sum(paid[id] for id in frame["customer_id"])
    dunning = predictions.dunning()
    assert dunning is not None
    assert set(dunning) == set(frame["customer_id"][frame["involuntary"] > frame["voluntary"]])
    values = model.subscription_values(predictions, subscriptions, months=12)
    rate = -np.log1p(-frame["churn_probability"]) / 60
    months = 12 * 30.4375
    expected = frame["customer_id"].map(paid) * (1 - np.exp(-rate * months)) / rate / 30.4375
    assert np.allclose(values, expected, rtol=1e-9)
    slipping = model.slipping_away(subscriptions, usage=usage, customers=5)
    assert set(slipping.customer_id) <= {str(id) for id in frame["customer_id"]}
    assert len(slipping.customer_id) == 5
    # One customer alone has the bits of the batch.
    one = next(iter(frame["customer_id"]))
    rows = [i for i, id in enumerate(periods["customer_id"]) if id == one]
    subscriber = {
        "customer_id": one,
        "periods": [{name: periods[name][i] for name in periods if name != "customer_id"} for i in rows],
        "usage": [{"event_date": day} for id, day in zip(logins["customer_id"], logins["event_date"]) if id == one],
    }
    alone = model.predict_subscriber(subscriber, "2024-12-31")
    assert alone["churn_probability"] == frame["churn_probability"][0]
    assert (alone["customer_id"], alone["status"], alone["covered"]) == (one, "active", True)
    assert alone["causes"] == {cause: p[0] for cause, p in predictions.causes.items()}
    with pytest.raises(errors.InvalidParameterError, match="unknown key"):
        model.predict_subscriber({**subscriber, "transactions": []})
    # A document keeps all of it; features and reasons are those of subscriptions.
    model.save(tmp_path / "model.json")
    again = churn.load(tmp_path / "model.json").predict(subscriptions, usage=usage)
    assert (again.churn_probability == predictions.churn_probability).all()
    table = model.features(subscriptions, usage=usage)
    assert table.names[-21] == "spell_days"
    assert "recency_score" in table.names
    reasons = model.explain(table).reasons
    assert any("a month" in text or "plan" in text for row in reasons for text in row)
    contacts = churn.profit.contact_list(predictions, budget=500.0)
    assert len(contacts) > 0


def test_what_does_not_fit_is_refused() -> None:
    periods, logins = market(300)
    subscriptions = churn.Subscriptions.from_table(periods, last_day="2024-12-31")
    usage = churn.Events.from_table(logins)
    model = churn.train(subscriptions, "logistic_regression", horizon_days=60)
    with pytest.raises(errors.FeatureMismatchError, match="without usage events"):
        model.predict(subscriptions, usage=usage)
    with pytest.raises(errors.FeatureMismatchError, match="trained on subscriptions"):
        model.predict(usage)
    with pytest.raises(errors.InvalidParameterError, match="usage goes with subscriptions"):
        churn.train(usage, usage=usage)
    with pytest.raises(TypeError):
        churn.train(periods)  # type: ignore[arg-type]
    with pytest.raises(errors.InvalidParameterError, match="allowed_gap_days"):
        churn.features(subscriptions, feature_set="rfm")
    with pytest.raises(errors.InvalidParameterError, match="subscription_end"):
        churn.train(subscriptions, labels="inactivity")
    with pytest.raises(errors.BadRowsError, match="lies before start_date"):
        churn.read_subscriptions(b"customer_id,start_date,end_date\na,2024-02-01,2024-01-01\n")
    with pytest.raises(errors.InvalidParameterError, match="by is"):
        churn.retention(subscriptions, "week")  # type: ignore[arg-type]
    with pytest.raises(errors.ShapeMismatchError):
        churn.kaplan_meier([1.0], [True, False])


def test_a_file_that_knows_the_future_is_not_believed() -> None:
    """Terms of a year with their ends: nobody has left, but with the default reading all of them would have."""
    rows = ["customer_id,start_date,end_date"]
    for customer in range(300):
        start = datetime.date(2023, 1, 1) + datetime.timedelta(customer)
        for term in range(2):
            begin = start + datetime.timedelta(365 * term)
            rows.append(f"c{customer},{begin},{begin + datetime.timedelta(365)}")
    csv = "\n".join(rows).encode()
    subscriptions = churn.read_subscriptions(csv)
    finding = churn.check(subscriptions)[0]
    assert (finding["code"], finding["suggestion"]) == ("ends_known_in_advance", {"ends_known": "at_start"})
    with pytest.raises(errors.FindingError, match="at_start"):
        churn.train(subscriptions)
    terms = churn.read_subscriptions(csv, ends_known="at_start")
    assert churn.check(terms) == []
    assert terms.last_day == datetime.date(2024, 10, 26)
    assert not churn.labels(terms, "2024-01-15").churned.any()


def test_exports_of_known_systems() -> None:
    pytest.importorskip("pandas")
    expected = json.loads((TESTS / "subscriptions" / "expected.json").read_text())
    presets: dict[str, Any] = {
        "stripe_subscriptions": "stripe", "stripe_invoices": "stripe_invoices", "recurly": "recurly",
        "recurly_churned": "recurly", "recurly_history": "recurly_history", "chargebee": "chargebee",
        "chartmogul": "chartmogul",
    }  # fmt: skip
    for name, preset in presets.items():
        path = TESTS / "subscriptions" / "exports" / f"{name}.csv"
        frame = churn.read_subscriptions(path, preset=preset).to_pandas()
        found = sorted((row.customer_id, row.start_date.date().isoformat()) for row in frame.itertuples())
        assert found == sorted((row[0], row[1]) for row in expected[f"{name}.csv"]), name
    with pytest.raises(errors.MissingColumnError, match='preset = "chargebee"'):
        churn.read_subscriptions(TESTS / "subscriptions" / "exports" / "chargebee.csv")
