"""Every number that Python gives is the core's, bit for bit: examples/rust/parity.rs writes the core's."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT, Row, csv_of

import churn


@pytest.fixture(scope="module")
def core(rows: list[Row], tmp_path_factory: pytest.TempPathFactory) -> Any:
    program = ROOT / "target" / "release" / "examples" / "parity"
    assert program.exists(), "first: cargo build --release --example parity"
    log: Path = tmp_path_factory.mktemp("parity") / "events.csv"
    log.write_text(csv_of(rows), encoding="utf-8")
    run = subprocess.run([str(program), str(log)], capture_output=True, check=True)
    return json.loads(run.stdout)


def bits(values: Any) -> Any:
    """Numbers as their bits, so that NaN equals NaN and 0 differs from -0."""
    return np.asarray(values, dtype=np.float64).view(np.int64).tolist()


def same(values: Any, expected: list[Any]) -> None:
    missing = [[np.nan if cell is None else cell for cell in row] for row in expected]
    assert bits(values) == bits(missing)


@pytest.mark.parametrize("at", [0, 1], ids=["rfm", "behavioral"])
def test_features(core: Any, events: churn.Events, at: int) -> None:
    expected = core["features"][at]
    table = churn.features(events, feature_set=("rfm", "behavioral")[at])
    assert (table.customer_ids, table.names, table.scales) == (
        expected["customer_ids"],
        expected["names"],
        expected["scales"],
    )
    same(table.to_numpy(), expected["rows"])


def test_backtest(core: Any, events: churn.Events) -> None:
    expected = core["backtest"]
    found = churn.backtest(events, **expected["settings"])
    assert found.to_json() == expected["result"]
    assert found.predictions is not None
    assert [of["cutoff"] for of in expected["predictions"]] == [row["cutoff"] for row in found.cutoffs]
    for of in expected["predictions"]:
        at = found.predictions.cutoff == np.datetime64(of["cutoff"])
        assert np.array(found.predictions.customer_id)[at].tolist() == of["customer_ids"]
        assert found.predictions.churned[at].tolist() == of["churned"]
        assert bits(found.predictions.churn_probability[at]) == bits(of["churn_probability"])
        assert sorted(found.predictions.against) == sorted(of["against"])
        for name, risk in found.predictions.against.items():
            assert bits(risk[at]) == bits(of["against"][name])


def test_labels(core: Any, events: churn.Events) -> None:
    labels = churn.labels(events, core["cutoff"])
    assert [list(row) for row in zip(labels.customer_id, labels.churned.tolist())] == core["labels"]


@pytest.mark.parametrize("at", [0, 1, 2], ids=["logistic", "forest", "boosting"])
def test_models(core: Any, rows: list[Row], events: churn.Events, at: int) -> None:
    expected = core["models"][at]
    model = churn.train(events, **expected["settings"])
    assert model.to_json() == expected["document"]
    assert model.evaluation == expected["evaluation"]

    predictions = model.predict(events)
    assert bits(predictions.churn_probability) == bits(expected["churn_probability"])
    assert predictions.risk_segment == expected["risk_segment"]

    first = predictions.customer_id[0]
    transactions = [dict(zip(("event_date", "amount", "event_type"), row[1:])) for row in rows if row[0] == first]
    one: Any = {"customer_id": first, "transactions": transactions}
    assert model.predict_one(one, core["as_of"]) == expected["one"]
    assert expected["one"]["churn_probability"] == predictions.churn_probability[0]

    for name, explanation in [
        ("explanation", model.explain(events)),
        ("interventional", model.explain(events, feature_perturbation="interventional")),
    ]:
        assert explanation.base == expected[name]["base"]
        assert bits(explanation.margin) == bits(expected[name]["margin"])
        assert bits(explanation.contributions) == bits(expected[name]["contributions"])
        assert explanation.reasons == expected[name]["reasons"]
        assert explanation.importance() == expected[name]["importance"]

    y = np.arange(len(predictions)) % 3 == 0
    assert churn.evaluate(y, predictions.churn_probability) == expected["metrics"]
    assert churn.profit.empc(y, predictions.churn_probability) == expected["empc"]
    assert churn.profit.contact_list(predictions, budget=100.0).to_dict() == expected["contacts"]
