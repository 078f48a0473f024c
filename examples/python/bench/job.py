"""The whole job: from a file of events to the risk of every customer of today, learned, calibrated and judged out of time.

    python job.py PEER PATH [CHECK_FOLDER]

PEER: polars-LightGBM, which is a script as an experienced user of both would write it, or churn for our own package. Both
take the features `behavioral` at three cutoffs that are a horizon of 90 days apart, learn from the first two and are judged at
the third, on the customers with an event in the year before it, and then learn from all three. The script holds out a fifth of
the customers for early stopping and for Platt's curve. Ours also audits the features, compares with logistic regression and
measures the importance of features. Prints one JSON line: the seconds from the file to the risks. With CHECK_FOLDER it writes
judged.json: the log-loss at the third cutoff, and the number of customers there.
"""

import json
import sys
from datetime import timedelta
from pathlib import Path

from data import LAST_DAY
from features import BEHAVIORAL
from process import measured, report, threads

HORIZON, COVERED, CUTOFFS = timedelta(days=90), 365, 3


def polars_lightgbm(path):
    import lightgbm
    import polars as pl
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss
    from features_polars import SCHEMA, table
    from polars import col

    settings = {"objective": "binary", "learning_rate": 0.1, "num_threads": threads(), "verbosity": -1, "seed": 1}

    def boosted(x, y, rounds):
        return lightgbm.train(settings, lightgbm.Dataset(x, y), rounds)

    def work():
        log = pl.read_csv(path, schema=SCHEMA)

        def customers(day):
            found = table(log.lazy().filter(col("event_date") <= day), True, day)
            return found.filter(col("days_since_last") < COVERED).select("customer_id", *BEHAVIORAL)

        def labelled(day):
            later = log.lazy().filter((col("event_date") > day) & (col("event_date") <= day + HORIZON))
            stayed = later.select("customer_id", stayed=True).unique()
            found = customers(day).lazy().join(stayed.collect(engine="streaming").lazy(), on="customer_id", how="left")
            return found.with_columns(churned=col("stayed").is_null()).drop("stayed").collect()

        def matrix(rows):
            return rows.select(BEHAVIORAL).cast(pl.Float64).to_numpy(), rows["churned"].to_numpy()

        parts = [labelled(LAST_DAY - HORIZON * back) for back in range(CUTOFFS, 0, -1)]
        known = pl.concat(parts[:-1])
        x, y = matrix(known)
        held_out = (known["customer_id"].hash(seed=1) % 5 == 0).to_numpy()
        learn = lightgbm.Dataset(x[~held_out], y[~held_out])
        model = lightgbm.train(
            settings, learn, 1000, valid_sets=[lightgbm.Dataset(x[held_out], y[held_out], reference=learn)],
            callbacks=[lightgbm.early_stopping(40, verbose=False)])
        rounds = model.best_iteration
        curve = LogisticRegression(C=1e9).fit(model.predict(x[held_out], raw_score=True)[:, None], y[held_out])
        risks = lambda model, x: curve.predict_proba(model.predict(x, raw_score=True)[:, None])[:, 1]
        test_x, test_y = matrix(parts[-1])
        loss = log_loss(test_y, risks(boosted(x, y, rounds), test_x))
        model = boosted(*matrix(pl.concat(parts)), rounds)
        today = customers(LAST_DAY)
        return {"log_loss": loss, "customers": len(test_y)}, risks(model, today.select(BEHAVIORAL).cast(pl.Float64).to_numpy())

    return work


def ours(path):
    import churn

    def work():
        events = churn.read_csv(path)
        model = churn.train(events, "gradient_boosting")
        risks = model.predict(events)
        evaluation = model.evaluation
        return {"log_loss": evaluation["metrics"]["log_loss"], "customers": evaluation["test_rows"]}, risks

    return work


def main(peer, path, check=None):
    (judged, _), seconds = measured({"polars-LightGBM": polars_lightgbm, "churn": ours}[peer](Path(path)))
    if check:
        Path(check).mkdir(parents=True, exist_ok=True)
        (Path(check) / "judged.json").write_text(json.dumps(judged))
    report(**seconds)


if __name__ == "__main__":
    main(*sys.argv[1:])
