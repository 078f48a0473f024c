"""A recipe judged at many cutoffs: the result, its frames, and what is refused."""

from __future__ import annotations

import datetime
import json
from typing import Any

import numpy as np
import pytest
from conftest import columns_of, made_up_log

import churn
from churn import errors

AGAINST: Any = {"boosting": {"model": "gradient_boosting", "rounds": 5}, "short": {"snapshots": 1}}


@pytest.fixture(scope="module")
def log() -> churn.Events:
    """Customers with integers as ids: 7, 14, 21, … are in another order as text."""
    columns = columns_of(made_up_log(21, 200))
    ids = [7 * (int(name[1:]) + 1) for name in columns["customer_id"]]
    return churn.Events.from_table({**columns, "customer_id": ids})


@pytest.fixture(scope="module")
def found(log: churn.Events) -> churn.Backtest:
    return churn.backtest(log, "logistic_regression", horizon_days=60, l2=2.0, against=AGAINST, predictions=True)


def test_the_result(log: churn.Events, found: churn.Backtest) -> None:
    rows = found.cutoffs
    assert len(found) == len(rows) >= 6
    assert [row["cutoff"] for row in rows] == sorted(row["cutoff"] for row in rows)
    days = [datetime.date.fromisoformat(row["cutoff"]) for row in rows]
    assert days[-1] == log.last_day - datetime.timedelta(days=60)
    assert all((later - day).days == 60 for day, later in zip(days, days[1:]))
    for day, row in zip(days, rows):
        # The outcome of a cutoff is known a horizon after it.
        assert datetime.date.fromisoformat(max(row["learned_from"])) <= day - datetime.timedelta(days=60)
        assert row["base_rate"] == row["churned"] / row["customers"]
        assert set(row["against"]) == {"boosting", "logistic_regression", "short"}
    for name in ("roc_auc", "log_loss", "brier", "lift_10", "base_rate"):
        mean = getattr(found, name)
        assert mean["mean"] == pytest.approx(np.mean([row[name] for row in rows]))
        assert mean["low"] < mean["mean"] < mean["high"]
    gaps = [(row["expected"] - row["churned"]) / row["customers"] for row in rows]
    assert found.predicted_minus_observed["mean"] == pytest.approx(np.mean(gaps))
    assert found.recency_auc is not None
    assert found.recency_auc["mean"] == pytest.approx(np.mean([row["recency_auc"] for row in rows]))
    assert found.earlier_roc_auc is not None
    assert found.earlier_roc_auc["mean"] == pytest.approx(np.mean([row["roc_auc"] for row in rows[: len(rows) // 2]]))
    recency, *others = found.against
    assert recency["name"] == "recency"
    assert recency["log_loss"] is recency["brier"] is None
    assert [other["name"] for other in others] == ["logistic_regression", "boosting", "short"]
    for other in others:
        aucs = [row["against"][other["name"]]["roc_auc"] for row in rows]
        assert other["mean_roc_auc"] == pytest.approx(np.mean(aucs))
        assert other["roc_auc"]["mean"] == pytest.approx(found.roc_auc["mean"] - other["mean_roc_auc"])
        assert other["cutoffs_won"] == sum(row["roc_auc"] > auc for row, auc in zip(rows, aucs))
    everybody = sum(row["customers"] for row in rows)
    assert sum(row["customers"] for row in found.segments) == everybody
    assert sum(row["customers"] for row in found.reliability) == everybody
    assert found.audit is not None
    assert found.audit["cutoffs"] == [row["cutoff"] for row in rows]
    assert "60 days" in found.definition
    assert found.library_version == churn.__version__
    assert all(set(row) == {"cutoff", "reason"} for row in found.skipped)


def test_the_result_as_data(found: churn.Backtest) -> None:
    data = found.to_dict()
    assert json.loads(found.to_json()) == data
    for name, value in data.items():
        assert name == "config" or getattr(found, name) == value, name
    assert {"cutoffs", "roc_auc", "against", "reliability", "segments", "skipped", "findings", "audit"} < set(data)
    assert data["config"]["against"]["short"]["snapshots"] == 1
    assert data["config"]["against"]["short"]["l2"] == 2.0


def test_a_row_a_cutoff(found: churn.Backtest) -> None:
    pytest.importorskip("pandas")
    pa, pl = pytest.importorskip("pyarrow"), pytest.importorskip("polars")
    frame = found.to_pandas()
    assert list(frame.columns[:4]) == ["cutoff", "customers", "churned", "base_rate"]
    assert frame["cutoff"].dtype.kind == "M"
    for at, row in enumerate(found.cutoffs):
        shown = frame.iloc[at]
        assert shown["cutoff"].date().isoformat() == row["cutoff"]
        assert shown["learned_from"] == "; ".join(row["learned_from"])
        for name in ("customers", "churned", "expected", "train_rows", "roc_auc", "lift_10", "recency_auc"):
            assert shown[name] == row[name]
        assert shown["short_brier"] == row["against"]["short"]["brier"]
        assert shown["logistic_regression_roc_auc"] == row["against"]["logistic_regression"]["roc_auc"]
    assert pa.table(found).column_names == pl.DataFrame(found).columns == list(frame.columns)
    assert pl.DataFrame(found)["churned"].to_list() == frame["churned"].tolist()


def test_predictions(log: churn.Events, found: churn.Backtest) -> None:
    """They are those that were judged, and the probabilities of a model that learned from the same cutoffs."""
    predictions = found.predictions
    assert predictions is not None
    assert len(predictions) == sum(row["customers"] for row in found.cutoffs)
    days, ids = predictions.cutoff, np.array(predictions.customer_id)
    assert days.dtype == "datetime64[D]"
    assert set(predictions.against) == {"boosting", "logistic_regression", "short"}
    for row in found.cutoffs:
        at = days == np.datetime64(row["cutoff"])
        assert at.sum() == row["customers"]
        assert ids[at].tolist() == sorted(ids[at])
        assert predictions.churned[at].sum() == row["churned"]
        metrics = churn.evaluate(predictions.churned[at], predictions.churn_probability[at])
        assert metrics["roc_auc"] == row["roc_auc"]
        for name, risk in predictions.against.items():
            assert churn.evaluate(predictions.churned[at], risk[at])["roc_auc"] == row["against"][name]["roc_auc"]
    last = found.cutoffs[-1]
    at = days == np.datetime64(last["cutoff"])
    model = churn.train(log, "logistic_regression", horizon_days=60, l2=2.0, cutoffs=last["learned_from"])
    risks = model.predict(log, as_of=last["cutoff"])
    assert risks.customer_id == ids[at].tolist()
    np.testing.assert_array_equal(risks.churn_probability, predictions.churn_probability[at])
    labels = churn.labels(log, last["cutoff"], horizon_days=60)
    assert labels.customer_id == ids[at].tolist()
    np.testing.assert_array_equal(labels.churned, predictions.churned[at])


def test_frames_of_predictions_keep_integers(found: churn.Backtest) -> None:
    pytest.importorskip("pandas")
    pa, pl = pytest.importorskip("pyarrow"), pytest.importorskip("polars")
    predictions = found.predictions
    assert predictions is not None
    frame = predictions.to_pandas()
    names = ["cutoff", "customer_id", "churned", "churn_probability", "boosting", "logistic_regression", "short"]
    assert list(frame.columns) == names
    assert frame["customer_id"].dtype == np.int64
    assert frame["customer_id"].astype(str).tolist() == predictions.customer_id
    assert frame["churned"].dtype == bool
    np.testing.assert_array_equal(frame["cutoff"].to_numpy().astype("datetime64[D]"), predictions.cutoff)
    for name, risk in predictions.against.items():
        np.testing.assert_array_equal(frame[name], risk)
    table = pa.table(predictions)
    assert table.column_names == names
    assert table["customer_id"].type == pa.int64()
    assert table["cutoff"].type == pa.date32()
    assert pl.DataFrame(predictions)["short"].to_list() == predictions.against["short"].tolist()


def test_cutoffs_and_steps(log: churn.Events) -> None:
    recipe: Any = {"model": "logistic_regression", "horizon_days": 60, "audit": False}
    plain = churn.backtest(log, **recipe)
    assert plain.predictions is None
    assert plain.audit is None
    # Logistic regression with its defaults is not compared with itself.
    assert [other["name"] for other in plain.against] == ["recency"]
    days = [row["cutoff"] for row in plain.cutoffs]
    assert [row["cutoff"] for row in churn.backtest(log, **recipe, most_cutoffs=2).cutoffs] == days[-2:]
    given = churn.backtest(log, **recipe, cutoffs=[datetime.date.fromisoformat(days[-1]), np.datetime64(days[0])])
    assert given.cutoffs == [plain.cutoffs[0], plain.cutoffs[-1]]
    assert given.earlier_roc_auc is None
    assert len(churn.backtest(log, **recipe, step_days=30)) > len(plain)
    rows = churn.backtest(log, **recipe, feature_set="rfm", attributes={"customer_id": [7, 14], "plan": ["a", "b"]})
    assert "undated_attributes" in {finding["code"] for finding in rows.findings}


def test_the_same_again(log: churn.Events, found: churn.Backtest) -> None:
    again = churn.backtest(log, "logistic_regression", horizon_days=60, l2=2.0, against=AGAINST, predictions=True)
    assert again.to_json() == found.to_json()


def test_what_a_notebook_shows(log: churn.Events, found: churn.Backtest) -> None:
    assert repr(found).startswith("<Backtest: AUC 0.")
    assert f"at {len(found)} cutoffs from {found.cutoffs[0]['cutoff']}" in repr(found)
    html = found._repr_html_()
    assert html.count("<svg") == 3
    assert html.count("<circle") == 4 * len(found)
    for words in ("AUC per cutoff", "recency alone", "expected", "observed", "boosting", found.definition):
        assert words in html, words
    predictions = found.predictions
    assert repr(predictions) == f"<BacktestPredictions: {len(predictions or [])} predictions at {len(found)} cutoffs>"
    assert predictions is not None
    assert found.cutoffs[0]["cutoff"] in predictions._repr_html_()
    hostile: Any = {"<b>": {"snapshots": 1}}
    single = churn.backtest(log, "logistic_regression", horizon_days=60, most_cutoffs=1, against=hostile)
    assert f"recency alone {single.cutoffs[0]['recency_auc']:.3f}, at" in repr(single)
    assert repr(single).endswith(f", at {single.cutoffs[0]['cutoff']}>")
    html = single._repr_html_()
    assert "<b>" not in html
    assert "nan" not in html.lower()


def test_progress_and_cancelling(log: churn.Events, found: churn.Backtest) -> None:
    class EnoughError(Exception):
        pass

    seen: list[tuple[str, int, int]] = []

    def stop(stage: str, done: int, total: int) -> None:
        seen.append((stage, done, total))
        if stage == "backtest":
            raise EnoughError

    with pytest.raises(EnoughError):
        churn.backtest(log, "logistic_regression", horizon_days=60, progress=stop)
    assert {stage for stage, _, _ in seen} == {"labels", "backtest"}
    assert seen[-1] == ("backtest", 0, len(found))
    pytest.importorskip("tqdm")
    churn.backtest(log, "logistic_regression", horizon_days=60, most_cutoffs=1, progress=True)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"horizont": 60}, ["horizont", "horizon_days", "most_cutoffs"]),
        ({"step_days": 0}, ["step_days", "1 to 3650 days"]),
        ({"step_days": 1.5}, ["step_days"]),
        ({"most_cutoffs": 0}, ["most_cutoffs", "1 to 1000"]),
        ({"most_cutoffs": "all"}, ["most_cutoffs"]),
        ({"predictions": "yes"}, ["predictions", "true or false"]),
        ({"cutoffs": "soon"}, ["cutoffs"]),
        ({"labels": "inactivity"}, ["labels", "outcome_window"]),
        ({"against": 5}, ["against"]),
        ({"against": {5: {}}}, ["against has the key 5"]),
        ({"against": {"other": 5}}, ["against.other"]),
        ({"against": {"other": {"horizont": 5}}}, ["against.other", "horizont"]),
        ({"against": {"other": {"horizon_days": 30}}}, ["against", "other", "definition of churn"]),
        ({"against": {"other": {"l2": float("nan")}}}, ["against.other.l2"]),
        ({"against": {"recency": {}}}, ["against", "taken"]),
        ({"against": {"churned": {}}, "predictions": True}, ["against", "churned", "customer_id"]),
        ({"progress": 5}, ["progress"]),
    ],
    ids=str,
)
def test_what_is_refused(log: churn.Events, settings: Any, words: list[str]) -> None:
    with pytest.raises(errors.InvalidParameterError) as caught:
        churn.backtest(log, **settings)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_logs_that_are_too_short(log: churn.Events) -> None:
    with pytest.raises(errors.CutoffOutsideDataError):
        churn.backtest(log, cutoffs=["2030-01-01"])
    with pytest.raises(errors.TooFewRowsError, match="shorter horizon_days"):
        churn.backtest(log, horizon_days=250)
    with pytest.raises(TypeError):
        churn.backtest({"customer_id": ["a"]})  # type: ignore[arg-type]


def test_a_model_carries_its_results_over_time(events: churn.Events, model: churn.Model) -> None:
    evaluation = model.evaluation
    over_time = evaluation["over_time"]
    assert over_time is not None
    assert 1 <= len(over_time["cutoffs"]) <= 4
    last = over_time["cutoffs"][-1]
    assert last["cutoff"] == evaluation["test_cutoff"]
    assert last["roc_auc"] == evaluation["metrics"]["roc_auc"]
    assert over_time["roc_auc"]["low"] <= over_time["roc_auc"]["mean"] <= over_time["roc_auc"]["high"]
    assert "95 % interval" in evaluation._repr_html_()  # type: ignore[union-attr]
    by_table = churn.train_table({"x": list(range(100)), "churned": [i % 3 == 0 or i > 70 for i in range(100)]})
    held_out = by_table.evaluation["over_time"]
    assert held_out is not None
    assert held_out["cutoffs"] == []
