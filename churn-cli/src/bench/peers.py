"""The peers of `churn bench`: other libraries on the rows that a backtest of churn judges.

    python peers.py learners FOLDER     LightGBM and XGBoost with their defaults, on the rows in FOLDER/rows
    python peers.py lifetimes FOLDER    BG/NBD (Fader, Hardie and Lee 2005) on FOLDER/log.csv

FOLDER/predictions.csv has the judged customers (cutoff, customer_id, ...). For each of its lines, in the same order, a line with
the probabilities goes to FOLDER/learners.csv or FOLDER/lifetimes.csv; versions go to FOLDER/learners.json and
FOLDER/lifetimes.json.

Given a customer's x repeat events, the last of them at t_x, in T days, BG/NBD has P(alive) in closed form; while alive the
rate of events has a gamma posterior with shape r + x and rate alpha + T. So P(no event in h days) =
1 - P(alive) + P(alive) * ((alpha + T) / (alpha + T + h)) ** (r + x).
"""

import contextlib
import io
import json
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

warnings.filterwarnings("ignore")


def fit_bgnbd(summary: pd.DataFrame):
    """The fit with the smallest penalty that converges, or None."""
    from lifetimes import BetaGeoFitter
    from lifetimes.utils import ConvergenceError

    for penalty in [0.0, 0.001, 0.01, 0.1]:
        fitter = BetaGeoFitter(penalizer_coef=penalty)
        try:
            # lifetimes prints the optimiser's whole state where it fails.
            with contextlib.redirect_stdout(io.StringIO()):
                fitter.fit(summary.frequency, summary.recency, summary["T"])
        except ConvergenceError:
            continue
        if np.isfinite(fitter.params_).all():
            return fitter
    return None


def no_event(fitter, summary: pd.DataFrame, horizon: int) -> np.ndarray:
    """The probability of no event in the next `horizon` days, for each customer."""
    r, alpha = fitter.params_["r"], fitter.params_["alpha"]
    alive = np.asarray(fitter.conditional_probability_alive(summary.frequency, summary.recency, summary["T"]))
    quiet = ((alpha + summary["T"]) / (alpha + summary["T"] + horizon)) ** (r + summary.frequency)
    return np.clip(1 - alive + alive * quiet.to_numpy(), 1e-9, 1 - 1e-9)


def summarise(past: pd.DataFrame, day: str) -> pd.DataFrame:
    """Repeat events, day of the last one and age of each customer."""
    from lifetimes.utils import summary_data_from_transaction_data

    summary = summary_data_from_transaction_data(past, "customer_id", "event_date", observation_period_end=day)
    # An event on the day itself leaves T = 0, which the formulas do not take.
    summary["T"] = summary["T"].clip(lower=1.0)
    return summary


def bgnbd(folder: Path, judged: pd.DataFrame) -> pd.DataFrame:
    horizon = json.loads((folder / "backtest.json").read_text())["config"]["horizon_days"]
    log = pd.read_csv(folder / "log.csv", dtype={"customer_id": str}, parse_dates=["event_date"])
    found = []
    for day, group in judged.groupby("cutoff", sort=False):
        summary = summarise(log[log.event_date <= day], day)
        fitter = fit_bgnbd(summary)
        if fitter is None:
            raise SystemExit(f"BG/NBD does not converge at {day}")
        found.append(pd.DataFrame({"BG/NBD": no_event(fitter, summary.loc[group.customer_id], horizon)}))
    return pd.concat(found)


def learners(folder: Path, judged: pd.DataFrame) -> pd.DataFrame:
    from lightgbm import LGBMClassifier
    from xgboost import XGBClassifier

    listed = folder / "rows" / "categories.json"
    categories = json.loads(listed.read_text()) if listed.exists() else []
    found = []
    for day in judged.cutoff.unique():
        read = {part: np.load(folder / "rows" / f"{day}.{part}.npy") for part in ["learn", "learn_churned", "test"]}
        fits = {
            "LightGBM": LGBMClassifier(random_state=0, deterministic=True, force_row_wise=True, verbose=-1),
            "XGBoost": XGBClassifier(random_state=0, **xgboost_types(read["learn"].shape[1], categories)),
        }
        settings = {"LightGBM": {"categorical_feature": categories} if categories else {}, "XGBoost": {}}
        columns = {}
        for name, fit in fits.items():
            fit.fit(read["learn"], read["learn_churned"][:, 0], **settings[name])
            columns[name] = fit.predict_proba(read["test"])[:, 1].astype(float)
        found.append(pd.DataFrame(columns))
    return pd.concat(found)


def xgboost_types(columns: int, categories: list[int]) -> dict:
    """The settings that name the columns of categories."""
    if not categories:
        return {}
    types = ["c" if column in categories else "q" for column in range(columns)]
    return {"enable_categorical": True, "feature_types": types}


def main(kind: str, folder: Path) -> None:
    judged = pd.read_csv(folder / "predictions.csv", dtype={"customer_id": str}, usecols=["cutoff", "customer_id"])
    packages, run = {
        "learners": (["lightgbm", "xgboost"], learners),
        "lifetimes": (["lifetimes"], bgnbd),
    }[kind]
    run(folder, judged).to_csv(folder / f"{kind}.csv", index=False)
    (folder / f"{kind}.json").write_text(json.dumps({name: version(name) for name in packages}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
