"""BG/NBD (Fader, Hardie and Lee 2005), by the package lifetimes, on the days that `cargo run --release --example defaults`
judged: at each day it is fitted to the events by then and gives every covered customer the probability of no event in the
90 days that follow; prints mean log-loss and AUC beside those of the configurations of churn.

    python examples/python/bgnbd.py OUT_DIR

Needs lifetimes, which needs numpy < 2, pandas < 2.2 and scipy < 1.12, and scikit-learn.

Given a customer's x repeat events, the last of them at t_x, in T days, BG/NBD has P(alive) in closed form; while alive the
rate of events has a gamma posterior with shape r + x and rate alpha + T. So P(no event in h days) =
1 - P(alive) + P(alive) * ((alpha + T) / (alpha + T + h)) ** (r + x).
"""

import contextlib
import io
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from lifetimes import BetaGeoFitter
from lifetimes.utils import ConvergenceError, summary_data_from_transaction_data
from sklearn.metrics import log_loss, roc_auc_score

HORIZON = 90

warnings.filterwarnings("ignore")


def fit(summary: pd.DataFrame) -> BetaGeoFitter:
    """The fit with the smallest penalty that converges."""
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
    raise SystemExit("BG/NBD does not converge")


def no_event(fitter: BetaGeoFitter, summary: pd.DataFrame) -> np.ndarray:
    r, alpha = fitter.params_["r"], fitter.params_["alpha"]
    alive = np.asarray(fitter.conditional_probability_alive(summary.frequency, summary.recency, summary["T"]))
    quiet = ((alpha + summary["T"]) / (alpha + summary["T"] + HORIZON)) ** (r + summary.frequency)
    return np.clip(1 - alive + alive * quiet.to_numpy(), 1e-9, 1 - 1e-9)


def main(out: Path) -> None:
    for scored_file in sorted(out.glob("*_log.csv")):
        name = scored_file.name.removesuffix("_log.csv")
        log = pd.read_csv(scored_file, dtype={"customer_id": str}, parse_dates=["event_date"])
        scored = pd.read_csv(out / f"{name}.csv", dtype={"customer_id": str})
        rows = []
        for day, group in scored.groupby("day"):
            past = log[log.event_date <= day]
            summary = summary_data_from_transaction_data(past, "customer_id", "event_date", observation_period_end=day)
            # A purchase on the day itself leaves T = 0, which the formulas do not take.
            summary["T"] = summary["T"].clip(lower=1.0)
            p = no_event(fit(summary), summary.loc[group.customer_id])
            row = {"day": day, "BG/NBD": log_loss(group.churned, p), "BG/NBD AUC": roc_auc_score(group.churned, p)}
            for column in group.columns[3:]:
                row[column] = log_loss(group.churned, group[column])
            rows.append(row)
        table = pd.DataFrame(rows).set_index("day")
        print(f"{name}\n{table.round(4).to_string()}\nmean\n{table.mean().round(4).to_string()}\n", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
