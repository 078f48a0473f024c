"""The report from Python, and the charts of notebooks: they show what the results hold."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import columns_of, csv_of, made_up_log

import churn
from churn.errors import InvalidParameterError


@pytest.fixture(scope="module")
def events() -> churn.Events:
    return churn.Events.from_table(columns_of(made_up_log(31, 250)))


@pytest.fixture(scope="module")
def model(events: churn.Events) -> churn.Model:
    return churn.train(events, horizon_days=60)


def test_the_report_is_a_page(events: churn.Events, model: churn.Model, tmp_path: Path) -> None:
    page = model.report(events=events, title="A <shop>", source="log.csv")
    assert page is not None
    assert page.startswith("<!doctype html>")
    assert "A &lt;shop&gt;" in page
    assert "log.csv" in page
    assert "<script" not in page
    # Who is listed is who is at risk, and who is slipping away.
    slipping = model.slipping_away(events)
    assert slipping.customer_id[0] in page
    path = tmp_path / "page.html"
    assert model.report(path, events, title="A <shop>", source="log.csv") is None
    assert path.read_text(encoding="utf-8") == page
    earlier = model.report(events=events, as_of="2024-03-01")
    assert earlier is not None
    assert "2024-03-01" in earlier
    # Amounts below 0 are no purchases; the word can be chosen.
    assert "last event" in page
    assert "last visit" in (model.report(events=events, event="visit") or "")


def test_the_report_on_a_model_alone(model: churn.Model) -> None:
    page = model.report()
    assert page is not None
    assert "Churn report" in page
    assert "Slipping away" not in page
    with pytest.raises(TypeError, match="belong to events"):
        model.report(as_of="2024-03-01")
    with pytest.raises(TypeError, match="neither Events nor Subscriptions"):
        model.report(events=3)  # type: ignore[arg-type]


def test_a_report_needs_an_evaluation(events: churn.Events, tmp_path: Path) -> None:
    model = churn.train(events, horizon_days=60, evaluation=False)
    with pytest.raises(InvalidParameterError, match="evaluation"):
        model.report(tmp_path / "page.html", events)
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_is_named(model: churn.Model, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        model.report(tmp_path / "nowhere" / "page.html")


def test_the_data_is_never_overwritten(events: churn.Events, model: churn.Model, tmp_path: Path) -> None:
    log = tmp_path / "shop.csv"
    log.write_text(csv_of(made_up_log(32, 50)), encoding="utf-8")
    before = log.read_bytes()
    with pytest.raises(ValueError, match="ends in"):
        model.report(log)
    with pytest.raises(ValueError, match="ends in"):
        churn.report(log, log)
    assert log.read_bytes() == before
    with pytest.raises(TypeError, match="given as events"):
        model.report(events)  # type: ignore[arg-type]


def test_what_cannot_be_written_is_known_before_the_training(tmp_path: Path) -> None:
    # Data that cannot be trained on: that would be the error if it came first.
    data = {"customer_id": ["a"], "event_date": [datetime.date(2024, 1, 1)]}
    with pytest.raises(FileNotFoundError, match="no such folder"):
        churn.report(data, tmp_path / "gone" / "page.html")
    with pytest.raises(ValueError, match="evaluation"):
        churn.report(data, tmp_path / "page.html", evaluation=False)
    with pytest.raises(TypeError, match="title"):
        churn.report(data, tmp_path / "page.html", title=3)  # type: ignore[arg-type]


def test_settings_for_reading(tmp_path: Path) -> None:
    rows = made_up_log(32, 200)
    log, page = tmp_path / "shop.csv", tmp_path / "page.html"
    log.write_text(csv_of(rows).replace("customer_id", "Kunde", 1), encoding="utf-8")
    read = {"columns": {"customer_id": "Kunde"}}
    model = churn.report(log, page, read=read, horizon_days=60)
    assert model == churn.report(columns_of(rows), page, horizon_days=60)
    with pytest.raises(TypeError, match="read already"):
        churn.report(churn.Events.from_table(columns_of(rows)), page, read=read)


def test_from_data_to_page_in_one_call(tmp_path: Path) -> None:
    rows = made_up_log(32, 200)
    log, page = tmp_path / "shop.csv", tmp_path / "page.html"
    log.write_text(csv_of(rows), encoding="utf-8")
    model = churn.report(log, page, horizon_days=60)
    text = page.read_text(encoding="utf-8")
    assert "shop.csv" in text
    assert model == churn.train(churn.read_csv(log), horizon_days=60)
    # A table gives the same page, but for the name of the file.
    again = tmp_path / "again.html"
    assert churn.report(columns_of(rows), again, horizon_days=60) == model
    assert "shop.csv" not in again.read_text(encoding="utf-8")
    with pytest.raises(FileNotFoundError):
        churn.report(tmp_path / "gone.csv", page)


def test_the_report_on_subscriptions(tmp_path: Path) -> None:
    day = datetime.date(2023, 1, 1)
    columns: dict[str, list[Any]] = {"customer_id": [], "start_date": [], "end_date": []}
    draw = np.random.default_rng(5)
    for customer in range(400):
        start = day + datetime.timedelta(days=int(draw.integers(0, 516)))
        end = start + datetime.timedelta(days=int(draw.exponential(200)) + 5)
        columns["customer_id"].append(f"c{customer}")
        columns["start_date"].append(start)
        columns["end_date"].append(end if end < datetime.date(2024, 5, 31) else None)
    subscriptions = churn.Subscriptions.from_table(columns)
    churn.report(subscriptions, tmp_path / "page.html", labels="subscription_end", horizon_days=60)
    assert "Who stays how long" in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.fixture
def axes() -> Any:
    pytest.importorskip("matplotlib").use("Agg")
    from matplotlib import pyplot

    yield lambda: pyplot.figure().subplots()
    pyplot.close("all")


def test_charts_of_a_model(model: churn.Model, axes: Any) -> None:
    evaluation = model.evaluation
    found = evaluation["over_time"]
    assert found is not None
    cutoffs = found["cutoffs"]
    chart = model.plot.over_time()
    assert chart.lines[1].get_ydata().tolist() == [row["roc_auc"] for row in cutoffs]
    assert chart.lines[2].get_ydata().tolist() == [row["recency_auc"] for row in cutoffs]
    assert [text.get_text() for text in chart.get_legend().texts][1:] == ["model", "recency alone"]
    given = axes()
    assert model.plot.calibration(ax=given) is given
    bins = evaluation["curves"]["reliability"]
    assert given.lines[1].get_xdata().tolist() == [row["predicted"] for row in bins]
    assert given.lines[1].get_ydata().tolist() == [row["observed"] for row in bins]
    gain = np.array(evaluation["curves"]["gain"])
    assert np.array_equal(model.plot.gain(axes()).lines[0].get_xydata(), gain)
    lift = model.plot.lift(axes()).lines[0].get_ydata()
    assert np.allclose(lift, gain[1:, 1] / gain[1:, 0])
    assert lift[-1] == 1
    bars = model.plot.segments(axes()).patches
    rows = evaluation["segments"]
    assert len(bars) == len(rows) + sum(row["observed_rate"] is not None for row in rows)
    chart = model.plot.importance(axes(), most=3)
    # The most important one is on top.
    assert chart.get_yticklabels()[-1].get_text() == evaluation["importance"][0]["feature"]
    assert len(chart.patches) == 3


def test_charts_of_a_backtest_and_of_an_explanation(events: churn.Events, model: churn.Model, axes: Any) -> None:
    backtest = churn.backtest(events, horizon_days=60, model="logistic_regression")
    chart = backtest.plot.over_time(axes())
    assert chart.lines[1].get_ydata().tolist() == [row["roc_auc"] for row in backtest.cutoffs]
    backtest.plot.calibration(axes())
    backtest.plot.segments(axes())
    explanation = model.explain(events)
    chart = explanation.plot.summary(axes(), most=4)
    names = [row["feature"] for row in explanation.importance()[:4]]
    assert [text.get_text() for text in chart.get_yticklabels()] == names[::-1]
    top = explanation.names.index(names[0])
    shown = chart.collections[-1].get_offsets()[:, 0]
    assert np.array_equal(np.sort(shown), np.sort(explanation.contributions[:, top]))
    assert explanation.plot.importance(axes()).patches[-1].get_width() == explanation.importance()[0]["mean_absolute"]


def test_a_chart_that_cannot_be_drawn_says_why(events: churn.Events, axes: Any) -> None:
    table = {"churned": [i % 3 == 0 for i in range(200)], "x": [float(i * 7 % 31) for i in range(200)]}
    model = churn.train_table(table, "churned")
    with pytest.raises(ValueError, match="no cutoffs"):
        model.plot.over_time(axes())
    model.plot.calibration(axes())
    unjudged = churn.train_table(table, "churned", evaluation=False)
    with pytest.raises(ValueError, match="evaluation=True"):
        unjudged.plot.gain(axes())


def test_names_are_drawn_as_they_are(axes: Any) -> None:
    spend = [float(i * 7 % 31) for i in range(200)]
    table = {"churned": [x + i % 11 > 20 for i, x in enumerate(spend)], "rev ($) of plan ($)": spend}
    model = churn.train_table(table, "churned")
    chart = model.plot.importance()
    chart.figure.canvas.draw()
    assert chart.get_yticklabels()[0].get_text() == r"rev (\$) of plan (\$)"
    with pytest.raises(ValueError, match="most is -1"):
        model.plot.importance(most=-1)


def test_without_matplotlib_the_error_names_what_to_install(
    model: churn.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"openchurn\[plot\]"):
        model.plot.calibration()


def test_results_as_numpy(events: churn.Events, model: churn.Model) -> None:
    predictions = model.predict(events)
    assert np.array_equal(predictions.to_numpy(), predictions.churn_probability)
    explanation = model.explain(events)
    assert np.array_equal(explanation.to_numpy(), explanation.contributions)
    labels = churn.labels(events, "2024-01-01", horizon_days=60)
    assert np.array_equal(labels.to_numpy(), labels.churned)
