"""The cases of tests/vectors, which every language runs. A list that has fewer cases than declared here fails."""

from __future__ import annotations

import base64
import datetime
import importlib.util
import json
import math
from typing import Any

import numpy as np
import pytest
from conftest import VECTORS, agree, vectors

import churn


def cases(file: str, part: str, declared: int) -> list[Any]:
    """Give the cases of a list, of which there must be as many as declared, or more."""
    found: list[Any] = vectors(file)[part]
    assert len(found) >= declared, f"{len(found)} cases in {file} {part}, {declared} are declared"
    return found


def name_of(case: Any) -> str:
    return str(case.get("name", json.dumps(case)[:60])) if isinstance(case, dict) else str(case)


def all_of(file: str, part: str, declared: int) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases(file, part, declared), ids=name_of)


def nan(values: list[float | None]) -> list[float]:
    return [math.nan if value is None else value for value in values]


def fails(code: str) -> Any:
    return pytest.raises(churn.errors.BY_CODE[code])


def same(found: Any, expected: Any, where: str = "") -> None:
    """Everything of ``expected`` is in ``found``, numbers as near as they must be."""
    if isinstance(expected, dict):
        assert set(expected) <= set(found), where
        for key, value in expected.items():
            same(found[key], value, f"{where}.{key}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), where
        for at, value in enumerate(expected):
            same(found[at], value, f"{where}[{at}]")
    elif isinstance(expected, (str, bool)) or expected is None:
        assert found == expected, where
    else:
        assert agree(found, expected), f"{where}: {found} is not {expected}"


def check_features(table: churn.FeatureTable, expected: dict[str, dict[str, float | None]]) -> None:
    assert table.customer_ids == sorted(expected, key=lambda name: name.encode())
    values = table.to_numpy()
    for at, customer in enumerate(table.customer_ids):
        for feature, value in expected[customer].items():
            found = values[at, table.names.index(feature)]
            assert agree(found, value), f"{feature} of {customer} is {found}, not {value}"


def both_ways(case: Any, **config: Any) -> churn.FeatureTable:
    """Give the features in memory, which must have the bits of those in one pass."""
    csv = case["csv"].encode()
    table = churn.features(churn.read_csv(csv), case["as_of"], **config)
    streamed = churn.features(csv, case["as_of"], **config)
    np.testing.assert_array_equal(table.to_numpy().view(np.int64), streamed.to_numpy().view(np.int64))
    assert table.customer_ids == streamed.customer_ids
    return table


@all_of("rfm.json", "cases", 11)
def test_rfm(case: Any) -> None:
    table = both_ways(case)
    same(table.scales, case["scales"])
    check_features(table, case["expected"])
    if "labels" not in case:
        return
    settings = {key: case[key] for key in ("horizon_days", "gap_days", "event_types") if key in case}
    as_of = datetime.date.fromisoformat(case["as_of"])
    end = as_of + datetime.timedelta(days=settings.get("gap_days", 0) + settings["horizon_days"])
    events, csv = churn.read_csv(case["csv"].encode()), case["csv"]
    if events.last_day < end:
        # The log ends before the window does: refused, until a stranger who first comes after it closes it.
        with fails("cutoff_outside_data"):
            churn.labels(events, as_of, **settings)
        columns = csv.splitlines()[0].count(",") + 1
        csv += f"stranger,{end + datetime.timedelta(days=1)}{',' * (columns - 2)}\n"
        events = churn.read_csv(csv.encode())
    labels = churn.labels(events, as_of, **settings)
    found = dict(zip(labels.customer_id, labels.churned.tolist()))
    assert found == {customer: label == 1 for customer, label in case["labels"].items()}


@all_of("behavioral.json", "cases", 11)
def test_behavioral(case: Any) -> None:
    table = both_ways(case, feature_set="behavioral")
    assert table.names[8:] == case["names"]
    check_features(table, case["expected"])


@all_of("labels.json", "cases", 20)
def test_labels(case: Any) -> None:
    settings = {"active_within_days": None, **case["definition"]}
    settings["labels"] = settings.pop("kind")

    def found() -> churn.Labels:
        events = churn.read_csv(case["csv"].encode())
        return churn.labels(events, case.get("cutoff") or events.last_day, **settings)

    if "error" in case:
        with fails(case["error"]):
            found()
        return
    labels = found()
    assert dict(zip(labels.customer_id, labels.churned.tolist())) == {
        customer: label == 1 for customer, label in case["expected"].items()
    }


@all_of("metrics.json", "cases", 17)
def test_metrics(case: Any) -> None:
    found = churn.evaluate(case["y"], case["p"])
    assert set(found) == set(case["expected"])
    same(found, case["expected"])


@all_of("metrics.json", "errors", 8)
def test_metrics_refused(case: Any) -> None:
    with fails(case["error"]):
        churn.evaluate(case["y"], nan(case["p"]))


@all_of("compare.json", "cases", 11)
def test_compare(case: Any) -> None:
    same(churn.compare(case["y"], case["a"], case["b"], **case.get("config", {})), case["expected"])


@all_of("compare.json", "errors", 13)
def test_compare_refused(case: Any) -> None:
    with fails(case["error"]):
        churn.compare(case["y"], nan(case["a"]), nan(case["b"]), **case.get("config", {}))


DEFAULT_THRESHOLDS = vectors("segments.json")["default_thresholds"]


@all_of("segments.json", "cases", 36)
def test_segments(case: Any) -> None:
    thresholds = case.get("thresholds", DEFAULT_THRESHOLDS)
    assert churn.segment(case["p"], thresholds) == case["segment"]
    assert churn.segment(np.array([case["p"]]), thresholds) == [case["segment"]]
    if thresholds == DEFAULT_THRESHOLDS:
        assert churn.segment(case["p"]) == case["segment"]


@all_of("segments.json", "errors", 8)
def test_segments_refused(case: Any) -> None:
    p = case.get("p", 0.5)
    with fails(case["error"]):
        churn.segment(math.nan if p is None else p, case.get("thresholds"))


@all_of("segments.json", "tables", 3)
def test_segment_tables(case: Any) -> None:
    found = churn.segment_table(case["y"], case["p"], case.get("thresholds"))
    assert [row["segment"] for row in found] == [row["segment"] for row in case["expected"]]
    same(found, case["expected"])


def bytes_of(case: Any) -> bytes:
    if "csv" in case:
        return str(case["csv"]).encode()
    if "csv_base64" in case:
        return base64.b64decode(case["csv_base64"])
    parts = [part if isinstance(part, str) else part["repeat"][0] * part["repeat"][1] for part in case["csv_parts"]]
    return "".join(parts).encode()


def events_of(events: churn.Events) -> list[Any]:
    """Give the events as rows in some order, None where a cell is empty."""
    frame = events.to_pandas().astype({"event_type": object})
    found = [
        [row.customer_id, row.event_date.date().isoformat(), row.amount, row.event_type or None]
        for row in frame.itertuples()
    ]
    return sorted(([None if cell != cell else cell for cell in row] for row in found), key=repr)


@all_of("errors.json", "cases", 64)
def test_reading(case: Any) -> None:
    expected, csv = case["expected"], bytes_of(case)
    if "error" in expected:
        with fails(expected["error"]) as caught:
            churn.read_csv(csv, **case.get("options", {}))
        assert expected.get("line") is None or caught.value.line == expected["line"]
        for part in expected.get("message_contains", []):
            assert part in str(caught.value)
        return
    events = churn.read_csv(csv, **case.get("options", {}))
    report = events.report
    assert (report["rows"], report["good"], report["bad"]) == (expected["rows"], expected["good"], expected["bad"])
    if "customers" in expected:
        assert events.customers == expected["customers"]
    same(report["bad_rows"], [{key: row[key] for key in ("line", "reason")} for row in expected["bad_rows"]])
    # Without pandas the counts must do: the same cases run where it is there.
    if "events" in expected and importlib.util.find_spec("pandas"):
        seen = [[*row[:2], row[2] if row[2] is None else float(row[2]), row[3]] for row in expected["events"]]
        same(events_of(events), sorted(seen, key=repr))


@all_of("orders.json", "cases", 16)
def test_orders(case: Any) -> None:
    csv, options, as_of = case["csv"].encode(), case["options"], case["as_of"]
    events = churn.read_csv(csv, **options)
    report = {**events.report, "customers": events.customers, "unit": events.unit}
    assert {key: report[key] for key in case["report"]} == case["report"]
    # As a table, and in one pass, with the features of the log that has one row an event.
    header, *lines = [line.split(",") for line in case["csv"].splitlines()]
    table: dict[str, Any] = {name: [line[at] or None for line in lines] for at, name in enumerate(header)}
    table["amount"] = [None if amount is None else float(amount) for amount in table["amount"]]
    from_table = churn.Events.from_table(table, **options)
    # Lines of a file begin with the header, rows of a table with 1.
    counts = {key: value for key, value in events.report.items() if not key.endswith("_line")}
    assert {key: from_table.report[key] for key in counts} == counts
    assert from_table.unit == events.unit
    for feature_set in ("rfm", "behavioral"):
        grouped = churn.features(churn.read_csv(case["grouped"].encode()), as_of, feature_set=feature_set)
        for source, settings in ((events, {}), (from_table, {}), (csv, options), (table, options)):
            found = churn.features(source, as_of, feature_set=feature_set, **settings)
            assert (found.customer_ids, found.names) == (grouped.customer_ids, grouped.names)
            np.testing.assert_array_equal(found.to_numpy().view(np.int64), grouped.to_numpy().view(np.int64))
    assert found.names[8:] == case["names"]
    check_features(found, case["expected"])
    if importlib.util.find_spec("pandas"):
        same(events_of(events), sorted(case["events"], key=repr))


@all_of("orders.json", "errors", 5)
def test_orders_refused(case: Any) -> None:
    with fails(case["error"]):
        churn.read_csv(case["csv"].encode(), **case["options"])
    with fails(case["error"]):
        churn.features(case["csv"].encode(), "2024-05-31", **case["options"])


@all_of("logistic.json", "cases", 4)
def test_logistic(case: Any) -> None:
    x, y, weights, l2, expected = case["x"], case["y"], case.get("weights"), case["l2"], case["expected"]
    rows = len(x)
    if rows < 64:
        # Every row twice and twice the penalty is twice the objective: the same coefficients, from rows enough.
        x, y, l2 = x * 2, y * 2, l2 * 2
        weights = weights and weights * 2
    table: dict[str, Any] = {f"x{at}": [row[at] for row in x] for at in range(len(x[0]))}
    table["churned"] = y
    if weights:
        table["weight"] = [float(weight) for weight in weights]
    model = churn.train_table(
        table, model="logistic_regression", weight="weight" if weights else None, l2=l2, calibration="none"
    )
    fitted = json.loads(model.to_json())["learner"]["logistic_regression"]
    assert fitted["intercept"] == pytest.approx(expected["intercept"], rel=0, abs=1e-7)
    found = [term["coefficient"] for term in fitted["terms"]]
    assert found == pytest.approx(expected["coefficients"], rel=0, abs=1e-7)
    p = model.predict(table).churn_probability[:rows]
    np.testing.assert_allclose(p, expected["probabilities"], rtol=0, atol=1e-8)


@all_of("profit.json", "expected_profit", 11)
def test_expected_profit(case: Any) -> None:
    """The profit of one customer is the only point of their curve where it is above 0."""
    found = churn.profit.expected_curve([case["p"]], [case["value"]], **case["config"])
    assert agree(found["points"][-1]["profit"], case["profit"])


@all_of("profit.json", "empc", 20)
def test_empc(case: Any) -> None:
    same(churn.profit.empc(case["y"], case["p"], **case.get("config", {})), case["expected"])


@all_of("profit.json", "curve", 17)
def test_curve(case: Any) -> None:
    config, expected = case.get("config", {}), case["expected"]
    same(
        churn.profit.mpc(case["y"], case["p"], **config),
        {key: expected[key] for key in ("mpc", "fraction", "threshold")},
    )
    same(
        churn.profit.curve(case["y"], case["p"], **config),
        {key: expected[key] for key in ("points", "best") if key in expected},
    )


@all_of("profit.json", "expected_curve", 6)
def test_expected_curve(case: Any) -> None:
    same(churn.profit.expected_curve(case["p"], case.get("values"), **case.get("config", {})), case["expected"])


def contacts_of(case: Any) -> churn.profit.ContactList:
    people = {"customer_id": case["customer_ids"], "churn_probability": nan(case["p"])}
    values = case.get("values")
    return churn.profit.contact_list(people, None if values is None else nan(values), **case.get("config", {}))


@all_of("profit.json", "contact_list", 14)
def test_contact_list(case: Any) -> None:
    same(contacts_of(case).to_dict(), case["expected"])


@all_of("profit.json", "campaign_outcome", 12)
def test_campaign_outcome(case: Any) -> None:
    contacted, churned = [], []
    for group in (True, False):
        retained, customers = case["contacted" if group else "control"]
        contacted += [group] * customers
        churned += [False] * retained + [True] * (customers - retained)
    same(churn.profit.campaign_outcome(contacted, churned, **case.get("config", {})), case["expected"])


@all_of("profit.json", "errors", 60)
def test_profit_refused(case: Any) -> None:
    config = {
        key: math.nan if value is None and key != "budget" else value for key, value in case.get("config", {}).items()
    }
    values = None if case.get("values") is None else nan(case["values"])
    with fails(case["error"]):
        if case["call"] == "contact_list":
            contacts_of(case)
        elif case["call"] == "campaign_outcome":
            churn.profit.campaign_outcome(case["contacted"], case["y"], **config)
        elif case["call"] == "expected_curve":
            churn.profit.expected_curve(nan(case["p"]), values, **config)
        else:
            getattr(churn.profit, case["call"])(case["y"], nan(case["p"]), **config)


def costs_of(case: Any) -> dict[str, Any]:
    return {name: nan(cost) if isinstance(cost, list) else cost for name, cost in case["costs"].items()}


@all_of("costs.json", "cases", 21)
def test_savings(case: Any) -> None:
    found = churn.profit.savings(case["y"], case["p"], **costs_of(case), **case["config"])
    assert set(found) == set(case["expected"])
    same(found, case["expected"])
    if "thresholds" in case:
        thresholds = churn.profit.cost_thresholds(**costs_of(case))
        np.testing.assert_allclose(thresholds, [float(t) for t in case["thresholds"]], rtol=1e-9, atol=1e-12)


@all_of("costs.json", "errors", 19)
def test_savings_refused(case: Any) -> None:
    with fails(case["error"]) as caught:
        if case["call"] == "savings":
            churn.profit.savings(case["y"], nan(case["p"]), **costs_of(case), **case.get("config", {}))
        else:
            churn.profit.cost_thresholds(**costs_of(case))
    assert caught.value.line == case.get("line")


EXPECTED = vectors("documents/expected.json")
DOCUMENTS = sorted(path.name for path in (VECTORS / "documents").glob("*_v1.json"))


def table_of(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_of_version_1(name: str) -> None:
    assert len(DOCUMENTS) >= 3
    assert len(EXPECTED["rows"]) >= 10
    text = (VECTORS / "documents" / name).read_text(encoding="utf-8")
    model = churn.Model.from_json(text)
    p = model.predict(table_of(EXPECTED["rows"])).churn_probability
    np.testing.assert_allclose(p, EXPECTED["probabilities"][name], rtol=0, atol=1e-12)
    assert churn.Model.from_json(model.to_json()) == model


EXPLAIN = vectors("explain.json")


@all_of("explain.json", "cases", 104)
def test_explanations(case: Any) -> None:
    document = json.loads((VECTORS / "documents" / case["document"]).read_text(encoding="utf-8"))
    document["background"] = EXPLAIN["background"]
    document["typical"] = EXPLAIN["typical"][case["document"]]
    model = churn.Model.from_json(json.dumps(document))
    explanation = model.explain(table_of([case["row"]]), feature_perturbation=case["feature_perturbation"])
    assert explanation.base == pytest.approx(case["base"], rel=1e-12, abs=1e-12)
    assert explanation.margin[0] == pytest.approx(case["margin"], rel=1e-12, abs=1e-12)
    expected = [case["contributions"][name] for name in explanation.names]
    assert len(expected) == len(case["contributions"])
    np.testing.assert_allclose(explanation.contributions[0], expected, rtol=1e-12, atol=1e-12)
    assert explanation.reasons[0][: len(case["reasons"])] == case["reasons"]
