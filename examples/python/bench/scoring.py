"""Scoring by the peers with the boosting model that each has trained itself.

    python scoring.py model PEER MATRIX COLUMNS MODEL            trains on x and keeps the model
    python scoring.py score PEER MODEL MATRIX COLUMNS [CHECK]    all rows of x at once
    python scoring.py one PEER MODEL MATRIX COLUMNS              rows of test_x one by one
    python scoring.py explain PEER MODEL MATRIX COLUMNS          the same, Shapley values
    python scoring.py customer MODEL                             one customer with ten transactions, ours alone

PEER: LightGBM, XGBoost, CatBoost, churn (our own package, with the model that Rust has trained), and LightGBM-C for `one`: LightGBM's C function for single rows, called through ctypes; what
an empty call through ctypes costs is taken off. Prints one JSON line: seconds a row.
"""

import ctypes
import sys
import time
from pathlib import Path

import numpy as np

from learners import PEERS, read
from process import measured, report, threads


def train(peer, folder, columns, out):
    work, _ = PEERS["boosting"][peer](*read(folder, "", int(columns)))
    work().save_model(out)


def load(peer, path):
    """The model, and how it scores and explains an array of rows."""
    if peer in ("LightGBM", "LightGBM-C"):
        import lightgbm

        model = lightgbm.Booster(model_file=path, params={"num_threads": threads()})
        few = lambda rows: 1 if len(rows) == 1 else threads()
        return (model, lambda rows: model.predict(rows, num_threads=few(rows)),
                lambda rows: model.predict(rows, pred_contrib=True, num_threads=few(rows)))
    if peer == "XGBoost":
        import xgboost

        model = xgboost.Booster(model_file=path)
        model.set_param({"nthread": threads()})
        return model, model.inplace_predict, lambda rows: model.predict(xgboost.DMatrix(rows), pred_contribs=True)
    if peer == "churn":
        import churn

        model = churn.load(path)
        # It takes tables of named columns, which of an array are views.
        table = lambda rows: {f"f{j}": rows[:, j] for j in range(rows.shape[1])}
        return (model, lambda rows: model.predict(table(rows)).churn_probability,
                lambda rows: model.explain(table(rows)).contributions)
    import catboost

    model = catboost.CatBoostClassifier().load_model(path)
    few = lambda rows: 1 if len(rows) == 1 else threads()
    return (model, lambda rows: model.predict_proba(rows, thread_count=few(rows))[:, 1],
            lambda rows: model.get_feature_importance(catboost.Pool(rows), type="ShapValues", thread_count=few(rows)))


def per_row(seconds, rows):
    report(**{name: value / rows for name, value in seconds.items()})


def score(peer, path, folder, columns, check=None):
    _, predict, _ = load(peer, path)
    rows = read(folder, "", int(columns))[0]
    _, seconds = measured(lambda: predict(rows))
    if check:
        Path(check).mkdir(parents=True, exist_ok=True)
        np.asarray(predict(read(folder, "test_", int(columns))[0]), "<f8").tofile(Path(check) / "p.f64")
    per_row(seconds, len(rows))


def one_by_one(work, singles, seconds):
    """Calls work for about so many seconds."""
    work(singles[0])
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds / 10:
        work(singles[count % len(singles)])
        count += 1
    times = max(count * 10, len(singles))
    _, measurement = measured(lambda: [work(singles[i % len(singles)]) for i in range(times)] and None)
    per_row(measurement, times)


def one(peer, path, folder, columns):
    model, predict, _ = load(peer, path)
    rows = read(folder, "test_", int(columns))[0]
    if peer == "LightGBM-C":
        return lightgbm_c(model, rows)
    one_by_one(predict, [rows[i : i + 1].copy() for i in range(100)], 1.0)


def lightgbm_c(model, rows, times=500_000):
    from lightgbm.basic import _LIB

    predict = _LIB.LGBM_BoosterPredictForMatSingleRowFast
    config, length, result = ctypes.c_void_p(), ctypes.c_int64(), ctypes.c_double()
    assert _LIB.LGBM_BoosterPredictForMatSingleRowFastInit(
        model._handle, 0, 0, 0, 1, ctypes.c_int32(rows.shape[1]), ctypes.c_char_p(b"num_threads=1"), ctypes.byref(config)) == 0
    address = [ctypes.c_void_p(rows[i].ctypes.data) for i in range(1000)]
    out = ctypes.byref(length), ctypes.byref(result)
    for i in range(10):
        assert predict(config, address[i], *out) == 0
        assert abs(result.value - model.predict(rows[i : i + 1])[0]) < 1e-12

    def calls():
        for i in range(times):
            predict(config, address[i % 1000], *out)

    # A function that does nothing with four arguments: what the loop and ctypes cost.
    empty = ctypes.CDLL(None).getppid

    def empty_calls():
        for i in range(times):
            empty(config, address[i % 1000], *out)

    _, seconds = measured(calls)
    _, overhead = measured(empty_calls)
    per_row({name: seconds[name] - overhead[name] for name in seconds}, times)


def explain(peer, path, folder, columns):
    _, _, contributions = load(peer, path)
    rows = read(folder, "test_", int(columns))[0]
    one_by_one(contributions, [rows[i : i + 1].copy() for i in range(100)], 1.0)


def customer(path):
    """The customer of examples/rust/benchmark/scoring.rs, as a service would get them."""
    import churn

    model = churn.load(path)
    transactions = [{"event_date": f"2024-{month:02}-15", "amount": 19.9 + month, "event_type": "purchase"} for month in range(1, 11)]
    customers = [{"customer_id": f"C{i:03}", "transactions": transactions} for i in range(100)]
    one_by_one(lambda customer: model.predict_one(customer, "2024-12-31"), customers, 1.0)


if __name__ == "__main__":
    commands = {"model": train, "score": score, "one": one, "explain": explain, "customer": customer}
    commands[sys.argv[1]](*sys.argv[2:])
