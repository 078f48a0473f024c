"""BG/NBD (Fader, Hardie and Lee 2005), by the package lifetimes, on the days that `cargo run --release --example defaults`
judged: at each day it is fitted to the events by then and gives every covered customer the probability of no event in the
90 days that follow; prints mean log-loss and AUC beside those of the configurations of churn.

    python examples/python/bgnbd.py OUT_DIR

Needs lifetimes, which needs numpy < 2, pandas < 2.2 and scipy < 1.12, and scikit-learn.
"""

import sys
from pathlib import Path

import pandas as pd
from sklearn.metrics import log_loss, roc_auc_score

# The model is one of the peers of `churn bench`, which describes it.
sys.path.insert(0, str(Path(__file__).parents[2] / "churn-cli/src/bench"))
from peers import fit_bgnbd, no_event, summarise  # noqa: E402

HORIZON = 90


def main(out: Path) -> None:
    for scored_file in sorted(out.glob("*_log.csv")):
        name = scored_file.name.removesuffix("_log.csv")
        log = pd.read_csv(scored_file, dtype={"customer_id": str}, parse_dates=["event_date"])
        scored = pd.read_csv(out / f"{name}.csv", dtype={"customer_id": str})
        rows = []
        for day, group in scored.groupby("day"):
            summary = summarise(log[log.event_date <= day], day)
            fitter = fit_bgnbd(summary)
            if fitter is None:
                raise SystemExit("BG/NBD does not converge")
            p = no_event(fitter, summary.loc[group.customer_id], HORIZON)
            row = {"day": day, "BG/NBD": log_loss(group.churned, p), "BG/NBD AUC": roc_auc_score(group.churned, p)}
            for column in group.columns[3:]:
                row[column] = log_loss(group.churned, group[column])
            rows.append(row)
        table = pd.DataFrame(rows).set_index("day")
        print(f"{name}\n{table.round(4).to_string()}\nmean\n{table.mean().round(4).to_string()}\n", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
