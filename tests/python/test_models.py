"""Training, scoring, explaining and keeping models, and what is refused."""

from __future__ import annotations

import copy
import datetime
import inspect
import json
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT, columns_of, made_up_log

import churn


def customer_of(events: churn.Events, name: str) -> dict[str, Any]:
    frame = events.to_pandas()
    own = frame[frame["customer_id"] == name]
    return {"customer_id": name, "transactions": own.iloc[:, 1:].to_dict("records")}


def test_what_somebody_gets_who_sets_nothing() -> None:
    """A log: a random forest on what is known of behaviour. A table: gradient boosting."""
    events = churn.Events.from_table(columns_of(made_up_log(5, 200)))
    model = churn.train(events)
    assert model.kind == "random_forest"
    assert model.to_json() == churn.train(events, "random_forest", feature_set="behavioral").to_json()
    assert model.to_json() != churn.train(events, feature_set="rfm").to_json()
    table = {"tickets": list(range(100)), "churned": [row % 3 == 0 or row > 60 for row in range(100)]}
    assert churn.train_table(table).kind == "gradient_boosting"


def test_one_customer_has_the_bits_of_the_batch(events: churn.Events, model: churn.Model) -> None:
    pytest.importorskip("pandas")
    predictions = model.predict(events)
    for at in (0, 17, 250):
        customer: Any = customer_of(events, predictions.customer_id[at])
        found = model.predict_one(customer, events.last_day)
        assert found["churn_probability"] == predictions.churn_probability[at]
        assert found["risk_segment"] == predictions.risk_segment[at]
        assert found["customer_id"] == predictions.customer_id[at]


@pytest.mark.parametrize(
    "date",
    [
        "2024-05-01",
        "2024-05-01T23:00:00Z",
        "2024-05-01 23:00",
        "2024-05-02T01:00:00+09:00",
        datetime.date(2024, 5, 1),
        datetime.datetime(2024, 5, 1, 23, 59),
        datetime.datetime(2024, 5, 2, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=9))),
        np.datetime64("2024-05-01"),
        np.datetime64("2024-05-01T23:59:59"),
        np.datetime64("2024-05-01T23:59:59.999999999"),
        np.datetime64("2024-05"),
    ],
    ids=str,
)
def test_dates_of_one_customer(logistic: churn.Model, date: Any) -> None:
    def risk(date: Any) -> float:
        return logistic.predict_one({"customer_id": "x", "transactions": [{"event_date": date}]}, "2024-06-01")[
            "churn_probability"
        ]

    assert risk(date) == risk("2024-05-01")
    assert risk(date) != risk("2024-03-01")


def test_days_before_1970_round_down() -> None:
    for as_of in ("1969-12-31T23:59:59", "1969-12-31T00:00:00.000000001", "1969-12-31"):
        stream = churn.FeatureStream(np.datetime64(as_of))
        stream.read({"customer_id": ["a"], "event_date": [np.datetime64("1969-12-01T12:00:00.000000001")]})
        assert stream.finish().as_of == datetime.date(1969, 12, 31)


def test_dates_of_pandas(logistic: churn.Model) -> None:
    pd = pytest.importorskip("pandas")

    def risk(**transaction: Any) -> float:
        customer: Any = {"customer_id": "x", "transactions": [transaction]}
        return logistic.predict_one(customer, pd.Timestamp("2024-06-01"))["churn_probability"]

    plain = risk(event_date="2024-05-01")
    assert risk(event_date=pd.Timestamp("2024-05-02T01:00", tz="Asia/Tokyo")) == plain
    assert risk(event_date=pd.Timestamp("2024-05-01"), amount=float("nan"), event_type=None) == plain
    with pytest.raises(churn.errors.InvalidParameterError, match="transaction 1: "):
        risk(event_date=pd.NaT)


def test_today_is_the_day_of_one_customer(logistic: churn.Model) -> None:
    today = datetime.datetime.now(datetime.timezone.utc).date()
    customer: Any = {"customer_id": "x", "transactions": [{"event_date": today - datetime.timedelta(days=40)}]}
    found = logistic.predict_one(customer)
    now = datetime.datetime.now(datetime.timezone.utc).date()
    assert found in (logistic.predict_one(customer, today), logistic.predict_one(customer, now))


@pytest.mark.parametrize(
    ("customer", "words"),
    [
        (None, "expected a dict"),
        ({}, 'no "customer_id"'),
        ({"customer_id": "x"}, 'no "transactions"'),
        ({"customer_id": 1.5, "transactions": []}, "customer_id is 1.5 (float); expected text or a whole number"),
        ({"customer_id": True, "transactions": []}, "expected text or a whole number"),
        ({"customer_id": None, "transactions": []}, "expected text or a whole number"),
        ({"customer_id": "x", "transactions": 5}, "expected a list"),
        ({"customer_id": "x", "transactions": [5]}, "transaction 1: it is 5"),
        ({"customer_id": "x", "transactions": [{}]}, "transaction 1: event_date is missing"),
        ({"customer_id": "x", "transactions": [{"event_date": "soon"}]}, "transaction 1: event_date"),
        ({"customer_id": "x", "transactions": [{"event_date": 5}]}, "transaction 1: 5 (int) is no date"),
        ({"customer_id": "x", "transactions": [{"event_date": np.int64(5)}]}, "is no date"),
        ({"customer_id": "x", "transactions": [{"event_date": np.datetime64("NaT")}]}, "transaction 1: "),
        ({"customer_id": "x", "transactions": [{"event_date": float("nan")}]}, "transaction 1: event_date is missing"),
        ({"customer_id": "x", "transactions": [{"event_date": "2024-01-01", "amount": "a"}]}, "amount"),
        ({"customer_id": "x", "transactions": [{"event_date": "2024-01-01", "event_type": 5.5}]}, "event_type"),
        ({"customer_id": "x", "transactions": [], "as_of": "2024-01-01"}, "unknown key 'as_of'"),
    ],
)
def test_customers_that_cannot_be_read(logistic: churn.Model, customer: Any, words: str) -> None:
    with pytest.raises(churn.errors.InvalidParameterError) as caught:
        logistic.predict_one(customer, "2024-06-01")
    assert words in str(caught.value)


def test_numbers_are_ids_and_further_keys_are_ignored(logistic: churn.Model) -> None:
    row: Any = {"event_date": "2024-05-01", "amount": 5, "event_type": "7"}
    plain = logistic.predict_one({"customer_id": "12346", "transactions": [row]}, "2024-06-01")
    assert plain["customer_id"] == "12346"
    for number in (12346, 12346.0, np.int64(12346), np.float64(12346)):
        numeric: Any = {**row, "event_type": type(number)(7), "sku": object(), "amout": 9}
        found = logistic.predict_one({"customer_id": number, "transactions": [numeric]}, "2024-06-01")
        assert found == {**plain, "customer_id": 12346}
    assert logistic.predict_one({"customer_id": 10**30, "transactions": [row]}, "2024-06-01")["customer_id"] == 10**30
    with pytest.raises(churn.errors.BadRowsError, match="customer_id is empty"):
        logistic.predict_one({"customer_id": "", "transactions": [row]}, "2024-06-01")


def test_customers_without_a_past(logistic: churn.Model) -> None:
    for transactions in ([], [{"event_date": "2025-01-01"}]):
        with pytest.raises(churn.ChurnError):
            logistic.predict_one({"customer_id": "x", "transactions": transactions}, "2024-06-01")  # type: ignore[typeddict-item]
    with pytest.raises(churn.errors.BadRowsError):
        logistic.predict_one(
            {"customer_id": "x", "transactions": [{"event_date": "2024-01-01", "amount": 1e13}]}, "2024-06-01"
        )


def test_explanations_add_up(events: churn.Events, model: churn.Model) -> None:
    explanation = model.explain(events)
    added = explanation.base + explanation.contributions.sum(axis=1)
    np.testing.assert_allclose(added, explanation.margin, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(explanation.churn_probability, model.predict(events).churn_probability)
    assert explanation.customer_ids == model.predict(events).customer_id
    assert all(1 <= len(texts) <= 3 for texts in explanation.reasons)
    assert explanation.reasons[0] == [reason["text"] for reason in explanation.reasons_of(0)]
    assert "purchase" in " ".join(model.explain(events, reasons=100, event="purchase").reasons[0])
    assert [row["feature"] for row in explanation.importance()] != []
    points = explanation.dependence("recency_score")
    np.testing.assert_array_equal(points[:, 1], explanation.contributions[:, explanation.names.index("recency_score")])
    with pytest.raises(IndexError):
        explanation.reasons_of(len(explanation))
    # One customer's list has the reasons of that customer; no list of fewer than five shares one.
    assert explanation.list_reasons([3]) == {"shared": None, "rows": [explanation.reasons_of(3)]}
    # Eight customers of one first reason and two of others share it; with three others they do not.
    firsts = [explanation.reasons_of(row)[0] for row in range(len(explanation))]
    names = [(first["feature"], first["raises_risk"]) for first in firsts]
    name = max(names, key=names.count)
    same = [row for row, other in enumerate(names) if other == name][:8]
    others = [row for row, other in enumerate(names) if other != name][:3]
    assert (len(same), len(others)) == (8, 3)
    listed = explanation.list_reasons(same + others[:2])
    assert (listed["shared"]["feature"], listed["shared"]["raises_risk"], listed["shared"]["customers"]) == (*name, 8)
    assert all(name != (reason["feature"], reason["raises_risk"]) for row in listed["rows"] for reason in row)
    assert explanation.list_reasons(same + others)["shared"] is None
    assert len(explanation.list_reasons()["rows"]) == len(explanation)
    with pytest.raises(IndexError):
        explanation.list_reasons([0, len(explanation)])
    with pytest.raises(churn.errors.MissingColumnError):
        explanation.dependence("nonsense")


def test_what_if(events: churn.Events, model: churn.Model) -> None:
    table = model.features(events)
    at = int(np.argmax(model.predict(table).churn_probability))
    customer = table.customer_ids[at]
    found = model.what_if(table, customer, {"recency_score": 100.0})
    assert found["before"]["churn_probability"] == model.predict(table).churn_probability[at]
    assert found["after"]["churn_probability"] < found["before"]["churn_probability"]
    for change in model.smallest_changes(table, customer):
        assert change["churn_probability"] < 0.7
        assert change["steps"][0]["text"]
    with pytest.raises(churn.errors.NoCustomersError):
        model.what_if(table, "nobody", {})
    with pytest.raises(churn.errors.MissingColumnError):
        model.what_if(table, customer, {"nonsense": 1.0})
    with pytest.raises(churn.errors.InvalidParameterError, match="expected a dict"):
        model.what_if(table, customer, 5)  # type: ignore[arg-type]


def test_tables_of_customers() -> None:
    rows = 400
    draw = np.random.default_rng(3)
    tickets, plan = draw.integers(0, 9, rows), draw.choice(["basic", "gold", "trial"], rows)
    table: dict[str, Any] = {
        "id": [f"k{row}" for row in range(rows)],
        "tickets": tickets,
        "plan": plan,
        "active": draw.random(rows) < 0.5,
        "signed": [datetime.date(2024, 1, 1)] * rows,
        "churned": tickets + 3 * (plan == "trial") + draw.normal(0, 2, rows) > 5,
    }
    model = churn.train_table(table, customer_id="id", leave_out=["signed"], model="random_forest")
    assert model.feature_names == ["tickets", "plan", "active"]
    assert model.cutoffs == []
    predictions = model.predict(table, customer_id="id")
    assert predictions.customer_id == table["id"]
    assert churn.evaluate(table["churned"], predictions.churn_probability)["roc_auc"] > 0.8
    assert model.predict(table).customer_id[0] == "1"
    explanation = model.explain(table, customer_id="id")
    assert explanation.contributions.shape == (rows, 3)
    assert explanation.output == "rate"

    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    for frame in (pd.DataFrame(table), pl.DataFrame(table)):
        same = churn.train_table(frame, customer_id="id", leave_out=["signed"], model="random_forest")
        assert same.to_json() == model.to_json()

    with pytest.raises(churn.errors.InvalidColumnError, match="turn dates into days"):
        churn.train_table(table, customer_id="id")
    with pytest.raises(churn.errors.MissingColumnError, match="gone"):
        churn.train_table(table, label="gone", leave_out=["signed"])
    with pytest.raises(churn.errors.MissingColumnError, match="tickets"):
        model.predict({"plan": ["gold"]})
    with pytest.raises(churn.errors.TooFewRowsError):
        churn.train_table({"x": [1, 2, 3], "churned": [0, 1, 0]})
    with pytest.raises(churn.errors.OneClassError):
        churn.train_table({"x": list(range(100)), "churned": [0] * 100})


def test_joined_columns(events: churn.Events) -> None:
    attributes = {
        "customer_id": events.customer_ids,
        "plan": ["gold", "basic"] * 150,
        "age": [20 + i for i in range(300)],
    }
    model = churn.train(events, attributes=attributes)
    assert model.feature_names[-2:] == ["plan", "age"]
    predictions = model.predict(events, attributes=attributes)
    assert predictions.coverage is not None
    assert sum(predictions.coverage.values()) == events.customers
    table = model.features(events, attributes=attributes)
    assert table.levels == {"plan": ["basic", "gold"]}
    np.testing.assert_array_equal(model.predict(table).churn_probability, predictions.churn_probability)
    np.testing.assert_array_equal(churn.features(events).join(attributes).to_numpy()[:, -1], attributes["age"])
    with pytest.raises(churn.errors.FeatureMismatchError, match="plan, age"):
        model.predict(events)
    one = model.predict_one(
        {"customer_id": "x", "transactions": [{"event_date": "2024-01-01"}], "attributes": {"plan": "gold", "age": 30}},
        "2024-02-01",
    )
    assert 0 < one["churn_probability"] < 1


def test_a_model_is_kept(events: churn.Events, model: churn.Model, tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    model.save(path)
    copies = [
        churn.load(path),
        churn.load(str(path)),
        churn.Model.from_json(model.to_json()),
        pickle.loads(pickle.dumps(model)),
        copy.deepcopy(model),
    ]
    expected = model.predict(events).churn_probability
    for other in copies:
        assert other == model
        assert hash(other) == hash(model)
        assert other.to_json() == model.to_json()
        np.testing.assert_array_equal(other.predict(events).churn_probability, expected)
    assert json.loads(model.to_json())["format"] == "churn-model"
    assert model != churn.train(events)
    assert model != 5


def test_documents_that_must_not_be_believed(model: churn.Model, tmp_path: Path) -> None:
    document = json.loads(model.to_json())
    with pytest.raises(churn.errors.UnsupportedVersionError, match="version"):
        churn.Model.from_json(json.dumps({**document, "format_version": 99}))
    with pytest.raises(churn.errors.InvalidDocumentError):
        churn.Model.from_json("[]")
    with pytest.raises(churn.errors.InvalidDocumentError):
        churn.Model.from_json(model.to_json()[:-100])
    golden = copy.deepcopy(document)
    golden["golden"][0]["probability"] /= 2
    with pytest.raises(churn.errors.GoldenMismatchError):
        churn.Model.from_json(json.dumps(golden))
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(churn.errors.InvalidDocumentError, match="bytes"):
        churn.load(tmp_path / "bytes")


def test_a_model_takes_what_it_was_trained_on(events: churn.Events, model: churn.Model) -> None:
    with pytest.raises(churn.errors.FeatureMismatchError):
        model.predict(churn.features(events, feature_set="behavioral"))
    with pytest.raises(churn.errors.MissingColumnError, match=r"pass churn\.Events\.from_table"):
        model.predict({"customer_id": ["a"], "event_date": ["2024-01-01"]})
    with pytest.raises(TypeError):
        churn.train({"customer_id": ["a"]})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"horizont": 90}, 'unknown key "horizont"; expected one of active_within_days'),
        ({"model": "deep_learning"}, "deep_learning"),
        ({"horizon_days": "many"}, "many"),
        ({"horizon_days": 0}, "1 to 3650"),
        ({"l2": float("nan")}, "finite"),
        ({"l2": object()}, "l2 is <object"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**70}, "64 bits"),
        ({"thresholds": {"medium": 0.9}}, "thresholds"),
        ({"thresholds": {"low": 0.1}}, "low"),
        ({"cutoffs": ["2024-01-01", "2024-01-01"]}, "different days"),
        ({"model": None}, "null"),
    ],
)
def test_settings_that_do_not_exist(events: churn.Events, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(churn.errors.InvalidParameterError) as caught:
        churn.train(events, **settings)
    assert words in str(caught.value)


def test_settings_of_every_form(events: churn.Events) -> None:
    plain = churn.train(events, horizon_days=60, cutoffs=["2023-11-01", "2024-02-01"], l2=2.0)
    other = churn.train(
        events,
        horizon_days=np.int32(60),
        cutoffs=[datetime.datetime(2023, 11, 1, 5), np.datetime64("2024-02-01")],
        l2=np.float64(2.0),
        active_within_days=365,
    )
    assert plain.to_json() == other.to_json()
    everybody = churn.train(events, active_within_days=None)
    assert everybody.training["rows"] > churn.train(events, active_within_days=30).training["rows"]
    balanced = churn.train(events, class_weight="balanced", thresholds={"medium": 0.2, "high": 0.4, "critical": 0.6})
    assert balanced.thresholds == {"medium": 0.2, "high": 0.4, "critical": 0.6}


def test_inactivity_warns(events: churn.Events) -> None:
    model = churn.train(events, labels="inactivity")
    assert "inactivity rule" in model.warnings[0]
    assert "inactivity rule" in model._repr_html_()


def test_outcomes_and_probabilities_of_every_form() -> None:
    y, p = [0, 1, 1, 0], [0.1, 0.9, 0.4, 0.3]
    expected = churn.evaluate(y, p)
    forms: list[Any] = [
        np.array(y),
        np.array(y, dtype=bool),
        [False, True, True, False],
        tuple(map(float, y)),
        np.array(y, "u1"),
    ]
    for form in forms:
        assert churn.evaluate(form, np.array(p, dtype=np.float64)) == expected
    assert churn.evaluate(np.array([*y, 0])[:-1], np.repeat(p, 2)[::2]) == expected
    with pytest.raises(churn.errors.InvalidParameterError, match="row 2; expected 0 or 1"):
        churn.evaluate([0, 2], [0.1, 0.2])
    with pytest.raises(churn.errors.InvalidParameterError, match="y_prob cannot be read as numbers"):
        churn.evaluate([0, 1], ["a", "b"])
    with pytest.raises(churn.errors.ShapeMismatchError):
        churn.evaluate([0, 1], [[0.1, 0.2]])
    with pytest.raises(churn.errors.InvalidParameterError, match="bin"):
        churn.evaluate([0, 1], [0.1, 0.2], bin=3)  # type: ignore[call-arg]


def test_what_a_notebook_shows(events: churn.Events, model: churn.Model) -> None:
    evaluation: Any = model.evaluation
    html = evaluation._repr_html_()
    assert html.count("<svg") == 4
    assert "recency alone" in html
    auc, days = evaluation["over_time"]["roc_auc"], len(evaluation["over_time"]["cutoffs"])
    assert f"AUC {auc['mean']:.2f} (95 % interval {auc['low']:.2f} to {min(auc['high'], 1):.2f}), " in html
    assert (f"mean of {days} days" in html) == (days > 1)
    older = type(evaluation)({**evaluation, "over_time": None})._repr_html_()
    assert older.count("<svg") == 4
    assert "interval" not in older
    shown: list[Any] = [events, model, model.predict(events), model.features(events), model.explain(events)]
    shown += [churn.labels(events, "2023-12-31"), churn.profit.contact_list(model.predict(events))]
    for result in shown:
        assert repr(result).startswith(f"<{type(result).__name__}")
        assert "<table>" in result._repr_html_()
    hostile = churn.Events.from_table(
        {"customer_id": ["<script>"], "event_date": ["2024-01-01"], "event_type": ["<b>"]}
    )
    assert "<b>" not in hostile._repr_html_()
    assert "<script>" not in churn.features(hostile)._repr_html_()


def defaults_of(call: Any) -> dict[str, Any]:
    parameters = inspect.signature(call).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters if parameter.default is not parameter.empty}


def test_the_defaults_that_are_shown_are_those_of_the_core(events: churn.Events) -> None:
    """A call without an argument is the same as one with the default of its signature."""
    pytest.importorskip("pandas")
    calls: list[tuple[Any, tuple[Any, ...]]] = [
        (churn.features, (events,)),
        (churn.labels, (events, "2023-12-31")),
        (churn.train, (events,)),
        (churn.backtest, (events,)),
    ]
    for call, first in calls:
        shown = defaults_of(call)
        shown.pop("progress", None)
        without, with_them = call(*first), call(*first, **shown)
        if isinstance(without, churn.Model):
            assert without.to_json() == with_them.to_json()
        else:
            assert without.to_pandas().equals(with_them.to_pandas())


def settings_in_stub(name: str) -> set[str]:
    """The keys of a TypedDict of the stub, with those it inherits."""
    stub = (ROOT / "churn-py" / "python" / "churn" / "_churn.pyi").read_text(encoding="utf-8")
    found = re.search(rf"^class {name}\(([^)]*)\):(.*?)(?=^\S)", stub, re.MULTILINE | re.DOTALL)
    assert found, name
    keys = set(re.findall(r"^    (\w+):", found[2], re.MULTILINE))
    for base in re.findall(r"_\w+", found[1]):
        keys |= settings_in_stub(base)
    return keys


def test_the_stub_knows_every_setting(events: churn.Events, model: churn.Model) -> None:
    """The core lists its settings where one is unknown; the stub must have exactly these."""
    p = [0.1, 0.9]
    table = {"x": [1], "churned": [0]}
    calls: list[tuple[str, set[str], Any]] = [
        (
            "_MoreTraining",
            {"model", "labels", "horizon_days", "snapshots", "feature_set", "seed"},
            lambda **bad: churn.train(events, **bad),
        ),
        (
            "_MoreBacktest",
            {"model", "labels", "horizon_days", "snapshots", "feature_set", "seed", "cutoffs"}
            | {"step_days", "most_cutoffs", "against", "predictions"},
            lambda **bad: churn.backtest(events, **bad),
        ),
        ("_MoreTable", {"label", "customer_id"}, lambda **bad: churn.train_table(table, **bad)),
        ("_ReadOptions", set(), lambda **bad: churn.read_csv(b"", **bad)),
        ("_ReadPeriods", set(), lambda **bad: churn.read_subscriptions(b"", **bad)),
        ("_MoreFeatures", {"feature_set", "scales"}, lambda **bad: churn.features(events, **bad)),
        (
            "_MoreLabels",
            {"horizon_days", "gap_days", "active_within_days", "event_types"},
            lambda **bad: churn.labels(events, "2024-01-01", **bad),
        ),
        ("_Labels", set(), lambda **bad: churn.check(events, **bad)),
        ("_Report", set(), lambda **bad: model.report(**bad)),
        ("_Slipping", set(), lambda **bad: model.slipping_away(events, **bad)),
        ("_Explain", set(), lambda **bad: model.explain(events, **bad)),
        ("_Changes", set(), lambda **bad: model.smallest_changes(model.features(events), "c0000", **bad)),
        ("_Judging", set(), lambda **bad: churn.evaluate([0, 1], p, **bad)),
        ("_Confidence", set(), lambda **bad: churn.compare([0, 1], p, p, **bad)),
        ("_Empc", set(), lambda **bad: churn.profit.empc([0, 1], p, **bad)),
        ("_Campaign", set(), lambda **bad: churn.profit.mpc([0, 1], p, **bad)),
        ("_Savings", set(), lambda **bad: churn.profit.savings([0, 1], p, **bad)),
        (
            "_Contacting",
            set(),
            lambda **bad: churn.profit.contact_list({"customer_id": [], "churn_probability": []}, **bad),
        ),
    ]
    for name, in_signature, call in calls:
        with pytest.raises(churn.errors.InvalidParameterError) as caught:
            call(nonsense=1)
        listed = set(re.findall(r"\w+", str(caught.value).split("expected", 1)[1])) - {"one", "of", "or"}
        assert listed == settings_in_stub(name) | in_signature, name


def test_a_model_without_an_evaluation_says_so() -> None:
    random = np.random.default_rng(2)
    number = random.normal(size=300)
    table = {"number": number, "churned": random.random(300) < 1 / (1 + np.exp(-number))}
    alone = churn.train_table(table, compare_with_logistic=False)
    assert alone.evaluation["logistic_regression"] is None
    assert "logistic regression" not in alone.evaluation._repr_html_()  # type: ignore[union-attr]
    model = churn.train_table(table, evaluation=False)
    assert model.evaluation is None
    assert "not evaluated" in repr(model)
    assert "not evaluated" in model._repr_html_()
    assert list(model.predict(table).churn_probability) == list(alone.predict(table).churn_probability)
