"""Ids keep their type through every frame, and what has ids is aligned by id."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import columns_of, made_up_log

import churn
from churn import errors


@pytest.fixture(scope="module")
def numbered() -> dict[str, list[Any]]:
    """The made-up log with integers as ids: 7, 14, 21, … are in another order as text."""
    columns = columns_of(made_up_log(21, 200))
    return {**columns, "customer_id": [7 * (int(name[1:]) + 1) for name in columns["customer_id"]]}


@pytest.fixture(scope="module")
def log(numbered: dict[str, list[Any]]) -> churn.Events:
    return churn.Events.from_table(numbered)


@pytest.fixture(scope="module")
def model_of_numbers(log: churn.Events) -> churn.Model:
    return churn.train(log, "logistic_regression")


def spent_by(columns: dict[str, list[Any]]) -> dict[int, float]:
    """Sum the amounts of each customer; nobody below 1."""
    spent: dict[int, float] = {}
    for customer, amount in zip(columns["customer_id"], columns["amount"]):
        spent[customer] = spent.get(customer, 0.0) + (amount or 0.0)
    return {customer: max(amount, 1.0) for customer, amount in spent.items()}


def results(log: churn.Events, model: churn.Model) -> dict[str, Any]:
    predictions = model.predict(log)
    return {
        "events": log,
        "features": churn.features(log),
        "model.features": model.features(log),
        "labels": churn.labels(log, "2024-01-01"),
        "predictions": predictions,
        "everybody": model.predict(log, include_inactive=True),
        "explanation": model.explain(log),
        "contacts": churn.profit.contact_list(predictions),
        "slipping": model.slipping_away(log),
    }


def test_integers_come_back_in_every_frame(
    log: churn.Events, model_of_numbers: churn.Model, numbered: dict[str, list[Any]]
) -> None:
    pd, pa, pl = (pytest.importorskip(name) for name in ("pandas", "pyarrow", "polars"))
    known = set(numbered["customer_id"])
    for name, result in results(log, model_of_numbers).items():
        frame = result.to_pandas()
        assert len(frame) > 0, name
        assert frame["customer_id"].dtype == np.int64, name
        assert set(frame["customer_id"]) <= known, name
        assert pa.table(result)["customer_id"].type == pa.int64(), name
        assert pl.DataFrame(result)["customer_id"].dtype == pl.Int64, name
        assert pa.table(result)["customer_id"].to_pylist() == frame["customer_id"].tolist(), name
        text = frame["customer_id"].astype(str).tolist()
        assert name == "events" or text == list(getattr(result, "customer_id", None) or result.customer_ids), name
    mine = pd.DataFrame({"customer_id": sorted(known), "mine": 1.0})
    predictions = model_of_numbers.predict(log).to_pandas()
    merged = predictions.merge(mine, on="customer_id")
    assert len(merged) == len(predictions)
    joined = predictions.set_index("customer_id").join(mine.set_index("customer_id"))
    assert joined["mine"].notna().all()
    polars = pl.DataFrame(model_of_numbers.predict(log)).join(pl.DataFrame(mine), on="customer_id")
    assert len(polars) == len(predictions)


def test_text_stays_text(events: churn.Events, logistic: churn.Model) -> None:
    pa = pytest.importorskip("pyarrow")
    for name, result in results(events, logistic).items():
        assert pa.table(result)["customer_id"].type == pa.large_string(), name
    # Digits that were text are text: 007 is not 7.
    digits = churn.Events.from_table({"customer_id": ["007", "7"], "event_date": ["2024-01-01"] * 2})
    assert pa.table(digits)["customer_id"].to_pylist() == ["007", "7"]


def test_dicts_keep_the_type(log: churn.Events, model_of_numbers: churn.Model) -> None:
    contacts = churn.profit.contact_list(model_of_numbers.predict(log)).to_dict()["entries"]
    assert all(type(entry["customer_id"]) is int for entry in contacts)
    slipping = model_of_numbers.slipping_away(log).to_dict()["customers"]
    assert slipping
    assert all(type(entry["customer_id"]) is int for entry in slipping)
    for given in (7, np.int64(7), 7.0):
        customer: Any = {"customer_id": given, "transactions": [{"event_date": "2024-05-01", "amount": 3.0}]}
        assert model_of_numbers.predict_one(customer, "2024-06-01")["customer_id"] == 7
        assert type(model_of_numbers.explain_one(customer, "2024-06-01")["prediction"]["customer_id"]) is int
    table = model_of_numbers.features(log)
    first: int = int(table.customer_ids[0])
    for spelled in (first, str(first)):
        after = model_of_numbers.what_if(table, spelled, {"recency_score": 100.0})["after"]
        assert after["customer_id"] == first
        assert isinstance(model_of_numbers.smallest_changes(table, spelled), list)


@pytest.mark.parametrize("kind", ["int8", "int16", "int32", "int64", "uint8", "uint32", "uint64"])
def test_every_width_of_arrow(kind: str) -> None:
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"customer_id": pa.array([1, 2, 100], getattr(pa, kind)()), "event_date": ["2024-01-01"] * 3})
    features = churn.features(churn.Events.from_table(table))
    assert pa.table(features)["customer_id"].type == getattr(pa, kind)()
    assert pa.table(features)["customer_id"].to_pylist() == [1, 100, 2]
    pytest.importorskip("pandas")
    assert features.to_pandas()["customer_id"].dtype == kind


def test_the_largest_integers() -> None:
    pa = pytest.importorskip("pyarrow")
    for kind, values in [(pa.uint64(), [2**64 - 1, 0]), (pa.int64(), [2**63 - 1, -(2**63)])]:
        table = pa.table({"customer_id": pa.array(values, kind), "event_date": ["2024-01-01"] * 2})
        found = pa.table(churn.features(churn.Events.from_table(table)))["customer_id"]
        assert (found.type, sorted(found.to_pylist())) == (kind, sorted(values))


def test_whole_numbers_are_ids_without_a_point() -> None:
    whole = {"customer_id": np.array([3.0, 12.0, 3.0]), "event_date": ["2024-01-01", "2024-01-02", "2024-01-03"]}
    events = churn.Events.from_table(whole)
    assert events.customer_ids == ["12", "3"]
    attributes = {"customer_id": [3.0, 12.0], "age": [30, 40]}
    joined = churn.features(events).join(attributes)
    assert joined.to_numpy()[:, -1].tolist() == [40.0, 30.0]
    with pytest.raises(errors.InvalidColumnError, match=r"integers|whole numbers"):
        churn.Events.from_table({**whole, "customer_id": [3.5, 12.0, 3.0]})
    with pytest.raises(errors.InvalidColumnError, match="whole numbers"):
        churn.features(events).join({"customer_id": [3.5, 12.0], "age": [30, 40]})
    # pandas has integers beside missing ones as floating point: the row is named, not the type.
    with pytest.raises(errors.BadRowsError, match="customer_id") as caught:
        churn.Events.from_table({**whole, "customer_id": np.array([3.0, np.nan, 3.0])})
    assert caught.value.line == 2


def test_streams_and_files(tmp_path: Path) -> None:
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = pa.table({"customer_id": [1, 2], "event_date": ["2024-01-01"] * 2})
    parquet.write_table(table, tmp_path / "a.parquet")

    def kind(result: Any) -> Any:
        return pa.table(result)["customer_id"].type

    assert kind(churn.read_parquet(tmp_path / "a.parquet")) == pa.int64()
    assert kind(churn.features(tmp_path, "2024-02-01")) == pa.int64()
    assert kind(churn.features(iter([table, table]), "2024-02-01")) == pa.int64()
    first, second = churn.FeatureStream("2024-02-01"), churn.FeatureStream("2024-02-01")
    first.read(table)
    second.read({"customer_id": ["x"], "event_date": ["2024-01-01"]})
    first.merge(second)
    mixed = pa.table(first.finish())["customer_id"]
    assert mixed.type == pa.large_string()
    assert mixed.to_pylist() == ["1", "2", "x"]
    (tmp_path / "b.csv").write_text("customer_id,event_date\n3,2024-01-01\n")
    assert kind(churn.features(tmp_path, "2024-02-01")) == pa.large_string()


def test_ids_of_tables() -> None:
    pa = pytest.importorskip("pyarrow")
    table = {"id": [10 * i for i in range(100)], "tickets": list(range(100)), "churned": [i > 60 for i in range(100)]}
    model = churn.train_table(table, customer_id="id", model="random_forest")
    assert pa.table(model.predict(table, customer_id="id"))["customer_id"].to_pylist() == table["id"]
    assert pa.table(model.explain(table, customer_id="id"))["customer_id"].type == pa.int64()


def test_values_by_id(log: churn.Events, model_of_numbers: churn.Model, numbered: dict[str, list[Any]]) -> None:
    predictions, worth = model_of_numbers.predict(log), spent_by(numbered)
    in_order = np.array([worth[int(customer)] for customer in predictions.customer_id])
    expected = churn.profit.contact_list(predictions, in_order, budget=300.0)
    assert len(set(in_order)) > 50
    ways: list[Any] = [
        worth,
        {str(customer): value for customer, value in worth.items()},
        {float(customer): value for customer, value in worth.items()},
        {"customer_id": list(worth), "value": list(worth.values())},
        {"customer_id": list(worth), "spent": np.array(list(worth.values()))},
        list(in_order),
    ]
    try:
        import pandas as pd
        import polars as pl
        import pyarrow as pa
    except ImportError:
        pass
    else:
        frame = pd.DataFrame(numbered).groupby("customer_id")["amount"].sum().clip(lower=1.0)
        ways += [
            frame,
            frame.sample(frac=1.0, random_state=1),
            frame.reset_index(name="value"),
            frame.to_frame("value"),
            pl.DataFrame(frame.reset_index()),
            pa.table(frame.reset_index()),
            pl.Series(in_order),
        ]
    for values in ways:
        found = churn.profit.contact_list(predictions, values, budget=300.0)
        assert found.customer_id == expected.customer_id
        for customer, value in zip(found.customer_id, found.value):
            assert value == pytest.approx(worth[int(customer)], rel=1e-12)
        best = churn.profit.expected_curve(predictions, values)["best"]
        assert best == pytest.approx(churn.profit.expected_curve(predictions.churn_probability, in_order)["best"])
    pd = pytest.importorskip("pandas")
    from_frame = churn.profit.contact_list(predictions.to_pandas(), pd.Series(worth), budget=300.0)
    np.testing.assert_array_equal(from_frame.value, expected.value)
    assert from_frame.to_pandas()["customer_id"].dtype == np.int64


def test_what_is_not_by_id_is_refused(
    log: churn.Events, model_of_numbers: churn.Model, numbered: dict[str, list[Any]]
) -> None:
    predictions, worth = model_of_numbers.predict(log), spent_by(numbered)
    first = predictions.customer_id[0]
    less = {customer: value for customer, value in worth.items() if str(customer) != first}
    cases: list[tuple[Any, type[errors.ChurnError], str]] = [
        (less, errors.InvalidParameterError, f"lacks the customer '{first}' of"),
        ({}, errors.InvalidParameterError, f"lacks the customer '{first}' and"),
        ({**worth, first: 1.0}, errors.InvalidParameterError, f"the customer '{first}' twice"),
        ({f"x{customer}": 1.0 for customer in worth}, errors.ShapeMismatchError, "none of the customers"),
        ([1.0] * (len(predictions) + 1), errors.ShapeMismatchError, f"{len(predictions) + 1} rows"),
        ({"customer_id": list(worth), "a": 1, "b": 2}, errors.MissingColumnError, "which is meant"),
        ({"customer_id": list(worth)}, errors.MissingColumnError, "expected customer_id and value"),
        ({(1, 2): 1.0}, errors.InvalidColumnError, "row 1 of values"),
    ]
    try:
        import pandas as pd
    except ImportError:
        pass
    else:
        numbers = pd.Series(np.ones(len(predictions)))
        cases += [
            (numbers, errors.ShapeMismatchError, "numbered by row.*to_numpy"),
            (
                pd.Series(np.ones(len(predictions)), index=range(5, len(predictions) + 5)),
                errors.ShapeMismatchError,
                "row",
            ),
            (pd.Series(less), errors.InvalidParameterError, f"lacks the customer '{first}'"),
            (pd.concat([pd.Series(worth)] * 2), errors.InvalidParameterError, "twice"),
        ]
    for values, kind, message in cases:
        for call in (churn.profit.contact_list, churn.profit.expected_curve):
            with pytest.raises(kind, match=message):
                call(predictions, values)
    # Of text ids the numbers of rows are no ids either.
    if len(cases) > 8:
        text = churn.Events.from_table({**numbered, "customer_id": [f"c{c}" for c in numbered["customer_id"]]})
        scored = churn.train(text, "logistic_regression").predict(text)
        with pytest.raises(errors.ShapeMismatchError, match="numbered by row"):
            churn.profit.contact_list(scored, pd.Series(np.ones(len(scored))))


def test_outcomes_by_id(log: churn.Events, model_of_numbers: churn.Model) -> None:
    cutoff = log.last_day - datetime.timedelta(days=90)
    labels, predictions = churn.labels(log, cutoff), model_of_numbers.predict(log, cutoff)
    expected = churn.evaluate(labels.churned, predictions.churn_probability)
    by_id = dict(zip(reversed(predictions.customer_id), reversed(predictions.churn_probability.tolist())))
    assert churn.evaluate(labels, predictions) == expected
    assert churn.evaluate(labels, by_id) == expected
    for measure in (churn.profit.mpc, churn.profit.empc, churn.profit.curve, churn.segment_table):
        assert measure(labels, by_id) == measure(labels.churned, predictions.churn_probability)
    assert churn.compare(labels, predictions, by_id)["log_loss"]["difference"] == 0
    contacted = {customer: row % 2 == 0 for row, customer in enumerate(labels.customer_id)}
    found = churn.profit.campaign_outcome(dict(reversed(contacted.items())), labels)
    assert found == churn.profit.campaign_outcome(list(contacted.values()), labels.churned)
    with pytest.raises(errors.InvalidParameterError, match="y_prob lacks"):
        churn.evaluate(labels, dict(list(by_id.items())[1:]))
    # Costs by id too, in any order; one number is for all.
    cost = {customer: 20.0 + row for row, customer in enumerate(labels.customer_id)}
    saved = churn.profit.savings(labels.churned, predictions.churn_probability, tp_cost=5, fn_cost=list(cost.values()))
    backwards = dict(reversed(cost.items()))
    table = {"customer_id": list(backwards), "fn_cost": list(backwards.values()), "other": [0] * len(cost)}
    for costs in (backwards, table, list(cost.values()), np.array(list(cost.values()))):
        assert churn.profit.savings(labels, by_id, tp_cost=np.float32(5), fn_cost=costs) == saved
    with pytest.raises(errors.InvalidParameterError, match="fn_cost lacks"):
        churn.profit.savings(labels, by_id, fn_cost=dict(list(cost.items())[1:]))
    with pytest.raises(errors.ShapeMismatchError, match="fn_cost has 3 rows"):
        churn.profit.savings(labels, by_id, fn_cost=[1, 2, 3])
    bad_costs: list[Any] = ["10", float("nan"), [None, 1], object(), np.ones((2, 2))]
    for bad in bad_costs:
        with pytest.raises(errors.ChurnError, match="fn_cost"):
            churn.profit.savings([0, 1], [0.1, 0.9], fn_cost=bad)
    pd = pytest.importorskip("pandas")
    outcome = labels.to_pandas().set_index("customer_id")["churned"]
    shuffled = predictions.to_pandas().sample(frac=1.0, random_state=2)
    assert churn.evaluate(outcome, shuffled) == expected
    assert churn.evaluate(outcome, shuffled.set_index("customer_id")["churn_probability"]) == expected
    with pytest.raises(errors.ShapeMismatchError, match="y_prob is a Series numbered by row"):
        churn.evaluate(outcome, shuffled["churn_probability"].reset_index(drop=True))
    with pytest.raises(errors.ShapeMismatchError, match="y_true is a Series numbered by row"):
        churn.evaluate(outcome.reset_index(drop=True), predictions)
    series = pd.Series(cost).sample(frac=1.0, random_state=3)
    assert churn.profit.savings(labels, predictions, tp_cost=5, fn_cost=series) == saved
    assert churn.profit.cost_thresholds(fp_cost=5, fn_cost=series)[0] == 5 / (5 + series.iloc[0])
    with pytest.raises(errors.ShapeMismatchError, match="fn_cost is a Series numbered by row"):
        churn.profit.savings(labels, predictions, fn_cost=series.reset_index(drop=True))
    # Two that are numbered by row are taken row by row.
    assert churn.evaluate(pd.Series(labels.churned), pd.Series(predictions.churn_probability)) == expected


def test_sample_weights_of_other_rows() -> None:
    pd, _ = pytest.importorskip("pandas"), pytest.importorskip("sklearn")
    from churn.sklearn import ChurnClassifier

    x = pd.DataFrame({"x": np.arange(100.0)}, index=[f"c{i}" for i in range(100)])
    y, weight = x["x"] > 50, x["x"] + 1
    fitted = ChurnClassifier().fit(x, y, weight).predict_proba(x)
    for wrong in ({"y": y[::-1]}, {"sample_weight": weight[::-1]}):
        with pytest.raises(ValueError, match="another index"):
            ChurnClassifier().fit(x, **{"y": y, "sample_weight": weight, **wrong})
    np.testing.assert_array_equal(ChurnClassifier().fit(x, y.to_numpy(), weight.to_numpy()).predict_proba(x), fitted)
