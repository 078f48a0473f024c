"""Findings: what is odd about the data, and what the results are worth, in Python."""

from __future__ import annotations

import datetime
import json
import random
from typing import Any

import pytest

import churn
from churn import errors

END = datetime.date(2024, 12, 31)
FIRST = datetime.date(2023, 1, 1)


def visits(customers: int, every: int, seed: int) -> list[tuple[str, datetime.date]]:
    """Customers who come about every so many days for two years; every fourth stops somewhere in the second year."""
    draw = random.Random(seed)
    rows = []
    for customer in range(customers):
        until = 365 + draw.randrange(330) if customer % 4 == 0 else 731
        offset = draw.randrange(every)
        while offset < until:
            rows.append((f"c{customer:04}", FIRST + datetime.timedelta(days=offset)))
            offset += every // 2 + 1 + draw.randrange(every)
    return rows


def log(rows: list[tuple[str, datetime.date]], **more: list[Any]) -> churn.Events:
    table = {"customer_id": [row[0] for row in rows], "event_date": [row[1] for row in rows], **more}
    return churn.Events.from_table({"amount": [10.0] * len(rows), **table})


def codes(findings: Any) -> list[str]:
    return [finding["code"] for finding in findings]


def has(findings: Any, code: str) -> Any:
    found = [finding for finding in findings if finding["code"] == code]
    assert found, f"no {code} in {codes(findings)}"
    return found[0]


@pytest.fixture(scope="module")
def ordinary() -> churn.Events:
    return log(visits(300, 30, 1))


@pytest.fixture(scope="module")
def trained(ordinary: churn.Events) -> churn.Model:
    return churn.train(ordinary, "logistic_regression")


def test_an_ordinary_log(ordinary: churn.Events, trained: churn.Model) -> None:
    assert churn.check(ordinary) == []
    assert trained.predict(ordinary).findings == []
    assert trained.audit is not None
    assert trained.audit["inputs"] == ["events"]
    known = {info["code"] for info in churn.finding_codes()}
    assert set(codes(trained.findings)) <= known
    for finding in trained.findings or []:
        assert list(finding) == ["code", "evidence", "message", "severity", "suggestion"] or set(finding) == {
            "code", "evidence", "message", "severity", "suggestion"
        }  # fmt: skip
    loud = [f["message"] for f in trained.findings or [] if f["severity"] != "note"]
    assert trained.warnings == loud
    assert churn.Model.from_json(trained.to_json()).findings == trained.findings


def test_codes_are_listed() -> None:
    infos = churn.finding_codes()
    assert all(set(info) == {"code", "severity", "meaning"} for info in infos)
    assert {info["severity"] for info in infos} == {"error", "warning", "note"}
    assert len({info["code"] for info in infos}) == len(infos) >= 25


@pytest.mark.parametrize("far", ["2099-01-01", "2042-03-05", "1900-01-01"])
def test_a_row_of_another_age(far: str, trained: churn.Model) -> None:
    events = log([*visits(300, 30, 1), ("c0007", datetime.date.fromisoformat(far))])
    code = "isolated_first_day" if far < "2000" else "isolated_last_day"
    finding = churn.check(events)[0]
    assert (finding["code"], finding["severity"]) == (code, "error")
    for call in (churn.train, trained.predict, trained.features, trained.explain, trained.slipping_away):
        with pytest.raises(errors.FindingError, match=far) as caught:
            call(events)
        assert caught.value.code == "finding"
        assert codes(caught.value.findings) == [code]
        assert '"c0007"' in str(caught.value)
        assert f'allow = ["{code}"]' in str(caught.value)
    setting = "last_day" if far > "2000" else "first_day"
    assert caught.value.findings[0]["suggestion"][setting] <= str(END)
    allowed = trained.predict(events, allow=[code])
    assert codes(allowed.findings) == [code]
    if far > "2000":
        # Only that one customer has been active by then; a day before the row it is not seen.
        assert len(allowed) == 1
        assert trained.predict(events, END).findings == []
    with pytest.raises(errors.InvalidParameterError, match="isolated_last_day"):
        trained.predict(events, allow=["isolated"])
    with pytest.raises(errors.InvalidParameterError, match="isolated_last_day"):
        churn.train(events, allow=["isolated"])


def test_a_row_that_is_allowed_can_be_trained_with() -> None:
    events = log([*visits(300, 30, 1), ("c0007", datetime.date(1990, 1, 1))])
    model = churn.train(events, allow=["isolated_first_day"])
    assert has(model.findings, "isolated_first_day")["severity"] == "error"
    assert any("1990-01-01" in warning for warning in model.warnings)


def test_annual_payers() -> None:
    first = datetime.date(2019, 1, 1)
    rows = [
        (f"c{customer:03}", first + datetime.timedelta(days=365 * year + customer))
        for customer in range(300)
        for year in range(4)
    ]
    with pytest.raises(errors.FindingError, match="365 days") as caught:
        churn.train(log(rows))
    assert codes(caught.value.findings) == ["regular_payers"]


def test_lines_of_orders() -> None:
    rows = [row for row in visits(100, 30, 4) for _ in range(3)]
    lines = log(rows, amount=[float(line % 3) for line in range(len(rows))])
    assert "order_lines" in codes(churn.check(lines))
    assert "duplicate_rows" not in codes(churn.check(lines))
    assert "duplicate_rows" in codes(churn.check(log(rows)))


def test_a_cancellation_is_no_return() -> None:
    rows = visits(100, 30, 5)
    types = ["payment"] * len(rows)
    assert "leaving_event_counts_as_return" not in codes(churn.check(log(rows, event_type=types)))
    events = log([*rows, ("c0000", END)], event_type=[*types, "cancel"])
    finding = has(churn.check(events), "leaving_event_counts_as_return")
    assert finding["suggestion"] == {"event_types": ["payment"]}
    assert "leaving_event_counts_as_return" not in codes(churn.check(events, event_types=["payment"]))
    assert "leaving_event_counts_as_return" in codes(churn.train(events).findings)


def test_the_horizon_beside_the_pauses() -> None:
    slow = log(visits(300, 120, 6))
    proposed = churn.suggest(slow)
    assert proposed["horizon_days"] in (120, 180)
    # Pauses are of 61 to 180 days.
    for row in proposed["shares"]:
        assert (row["share"] >= 1 - 1e-9) == (row["horizon_days"] >= 180)
    finding = has(churn.check(slow, horizon_days=30), "horizon_too_short")
    assert finding["suggestion"]["horizon_days"] == proposed["horizon_days"]
    assert "horizon_too_short" not in codes(churn.check(slow, horizon_days=180))
    with pytest.raises(errors.TooFewRowsError):
        churn.suggest(churn.Events.from_table({"customer_id": ["a", "a"], "event_date": ["2024-01-01", "2024-02-01"]}))
    with pytest.raises(errors.InvalidParameterError, match="expected"):
        churn.check(slow, horizon=30)  # type: ignore[call-arg]


def plans(**changes: Any) -> dict[str, list[Any]]:
    names = [f"c{customer:04}" for customer in range(300)]
    return {"customer_id": names, "plan": ["gold" if at % 3 == 0 else "free" for at in range(300)], **changes}


def dated() -> dict[str, list[Any]]:
    """Everybody was on the other plan before 2024-06-01."""
    now = plans()
    before = ["free" if plan == "gold" else "gold" for plan in now["plan"]]
    return {
        "customer_id": now["customer_id"] * 2,
        "valid_from": [datetime.date(2022, 1, 1)] * 300 + [datetime.date(2024, 6, 1)] * 300,
        "plan": before + now["plan"],
    }


def test_undated_attributes(ordinary: churn.Events) -> None:
    model = churn.train(ordinary, attributes=plans())
    assert "valid_from" in has(model.findings, "undated_attributes")["message"]
    assert model.audit is not None
    assert model.audit["inputs"] == ["events"]


def ways_to_say_a_day() -> list[Any]:
    def text(table: dict[str, list[Any]]) -> Any:
        return {**table, "valid_from": [str(day) for day in table["valid_from"]]}

    def moments(table: dict[str, list[Any]]) -> Any:
        # Late in New York is the next day in UTC.
        zone = datetime.timezone(datetime.timedelta(hours=-5))
        late = [datetime.datetime.combine(day, datetime.time(19), zone) for day in table["valid_from"]]
        return {**table, "valid_from": [moment - datetime.timedelta(days=1) for moment in late]}

    def pandas(table: dict[str, list[Any]]) -> Any:
        pd = pytest.importorskip("pandas")
        return pd.DataFrame(table).assign(valid_from=lambda frame: pd.to_datetime(frame["valid_from"]))

    def zoned(table: dict[str, list[Any]]) -> Any:
        frame = pandas(table)
        midnight = frame["valid_from"].dt.tz_localize("UTC")
        return frame.assign(valid_from=midnight.dt.tz_convert("America/New_York"))

    def polars(table: dict[str, list[Any]]) -> Any:
        return pytest.importorskip("polars").DataFrame(table)

    def arrow(table: dict[str, list[Any]]) -> Any:
        pa = pytest.importorskip("pyarrow")
        days = pa.array(table["valid_from"], pa.date32()).cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))
        return pa.table({**table, "valid_from": days})

    return [dict, text, moments, pandas, zoned, polars, arrow]


@pytest.mark.parametrize("way", ways_to_say_a_day(), ids=lambda way: way.__name__)
def test_dated_attributes(way: Any, ordinary: churn.Events) -> None:
    attributes = way(dated())
    model = churn.train(ordinary, "logistic_regression", attributes=attributes)
    assert "undated_attributes" not in codes(model.findings)
    assert model.audit is not None
    assert model.audit["inputs"] == ["events", "attributes"]
    assert "valid_from" not in model.feature_names

    def plan(as_of: str) -> str:
        table = model.features(ordinary, as_of, attributes=attributes)
        row = table.to_numpy()[table.customer_ids.index("c0001")]
        return table.levels["plan"][int(row[table.names.index("plan")])]

    assert (plan("2024-05-31"), plan("2024-06-01")) == ("gold", "free")
    joined = churn.features(ordinary, "2024-05-31").join(attributes)
    level = joined.to_numpy()[joined.customer_ids.index("c0001")][-1]
    assert joined.levels["plan"][int(level)] == "gold"


def test_days_that_are_none(ordinary: churn.Events) -> None:
    table = dated()
    for bad, expected in [("soon", '"soon"'), (None, "missing")]:
        days = [bad, *map(str, table["valid_from"][1:])]
        with pytest.raises(errors.InvalidColumnError, match=f"row 1: valid_from is {expected}"):
            churn.train(ordinary, attributes={**table, "valid_from": days})


def test_attributes_that_match_nothing(ordinary: churn.Events) -> None:
    upper = plans(customer_id=[name.upper() for name in plans()["customer_id"]])
    with pytest.raises(errors.FindingError) as caught:
        churn.train(ordinary, attributes=upper)
    assert codes(caught.value.findings) == ["unmatched_attributes"]
    model = churn.train(ordinary, attributes=plans())
    with pytest.raises(errors.FindingError) as caught:
        model.predict(ordinary, attributes=upper)
    assert codes(caught.value.findings) == ["unmatched_attributes"]
    renamed = plans(plan=[plan.upper() for plan in plans()["plan"]])
    with pytest.raises(errors.FindingError, match="free, gold") as caught:
        model.predict(ordinary, attributes=renamed)
    assert codes(caught.value.findings) == ["unknown_levels"]
    partly = plans(plan=["platinum" if at % 3 == 0 else "free" for at in range(300)])
    has(model.predict(ordinary, attributes=partly).findings, "many_unknown_levels")
    few = plans(customer_id=[name if at < 60 else f"x{at}" for at, name in enumerate(plans()["customer_id"])])
    has(model.predict(ordinary, attributes=few).findings, "few_attributes_matched")
    assert model.predict(ordinary, attributes=plans()).findings == []
    one: Any = {"customer_id": "n", "transactions": [{"event_date": END, "amount": 5}]}
    with pytest.raises(errors.FeatureMismatchError, match="plan"):
        model.predict_one(one, END)
    gold: Any = {**one, "attributes": {"plan": "GOLD"}}
    unknown = model.predict_one(gold, END)
    assert unknown["covered"]
    assert "plan" in unknown["note"]
    missing: Any = {**one, "attributes": {"plan": None}}
    assert "note" not in model.predict_one(missing, END)


def test_a_column_that_holds_the_outcome() -> None:
    draw = random.Random(8)
    churned = [draw.randrange(3) == 0 for _ in range(400)]
    noise = [draw.randrange(100) + 20 * left for left in churned]
    for name, column in [
        ("status", ["closed" if left else "open" for left in churned]),
        ("churned_text", ["yes" if left else "no" for left in churned]),
        ("refunds", [50 + row % 7 if left else row % 5 for row, left in enumerate(churned)]),
    ]:
        table = {"noise": noise, name: column, "churned": churned}
        model = churn.train_table(table)
        assert f'"{name}"' in has(model.findings, "column_separates")["message"]
        assert any(name in warning for warning in model.warnings)
        assert "column_separates" not in codes(churn.train_table(table, leave_out=[name]).findings)


def test_one_cutoff_is_judged_on_customers_held_out(ordinary: churn.Events, trained: churn.Model) -> None:
    has(churn.train(ordinary, snapshots=1).findings, "not_out_of_time")
    assert "not_out_of_time" not in codes(trained.findings)


def test_prebooked_orders() -> None:
    ahead = [(f"c{7 * i:04}", datetime.date(2025, 1, 5) + datetime.timedelta(days=9 * i)) for i in range(20)]
    finding = has(churn.check(log([*visits(300, 30, 2), *ahead])), "thin_window")
    assert "2024-12-25" <= finding["suggestion"]["last_day"] <= "2025-01-15"


@pytest.mark.parametrize("kind", ["random_forest", "gradient_boosting", "logistic_regression"])
def test_one_absurd_amount_changes_next_to_nothing(kind: Any) -> None:
    rows = visits(300, 30, 1)
    amounts = [10.0 + at % 7 for at in range(len(rows))]
    plain = churn.train(log(rows, amount=amounts), kind).evaluation["metrics"]["roc_auc"]
    for absurd in (99_999_999.0, -99_999_999.0, 1e11):
        model = churn.train(log(rows, amount=[absurd, *amounts[1:]]), kind)
        assert model.evaluation["metrics"]["roc_auc"] > plain - 0.03
        assert "constant_model" not in codes(model.findings)


def test_a_document_of_an_earlier_version(ordinary: churn.Events, trained: churn.Model) -> None:
    document = json.loads(trained.to_json())
    del document["findings"]
    del document["audit"]["inputs"]
    older = churn.Model.from_json(json.dumps(document))
    assert older.findings is None
    assert older.warnings == trained.warnings
    assert older.audit is not None
    assert older.audit["inputs"] == ["events"]
    assert older.predict(ordinary).customer_id == trained.predict(ordinary).customer_id
