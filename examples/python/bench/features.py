"""The features of a log by each peer, written as its own experienced users would.

    python features.py PEER FEATURE_SET PATH [CHECK_FOLDER]

PEER: duckdb, polars, pyarrow, pandas, or churn for our own package. FEATURE_SET: rfm or behavioral (which has the eight of rfm too). PATH: .csv or
.parquet. Prints one JSON line: the seconds from the file to the table in memory; start and imports of Python are left out.
With CHECK_FOLDER the table is then written there in order of ids, to be compared: ids.txt, values.f64, names.txt.

The peers are spared what would be work in real life: no row lies after the last day, no row is bad, the event types are
known beforehand, and their tables are in no order.
"""

import importlib
import sys
from pathlib import Path

from data import LAST_DAY, TYPES
from process import measured, report

WINDOWS = [7, 30, 90, 180, 365]
HALF_LIVES = [7, 30, 90, 180]
RFM = [
    "recency_score", "frequency_score", "monetary_score", "engagement_score", "tenure_days", "activity_trend",
    "avg_transaction_value", "days_between_transactions",
]
BEHAVIORAL = [
    *RFM,
    *(f"count_{w}d" for w in WINDOWS),
    *(f"amount_{w}d" for w in WINDOWS),
    *(f"decayed_count_{h}d" for h in HALF_LIVES),
    *(f"decayed_amount_{h}d" for h in HALF_LIVES),
    "active_months", "largest_amount", "refund_count", "refund_share", "days_since_first", "days_since_last",
    "count_ratio_30d_90d",
    *(f"event_type={name}" for name in TYPES),
    "event_type_other",
]


def main(peer, feature_set, path, check=None):
    # Importing it is not the work; what it returns is.
    work = importlib.import_module(f"features_{peer}").plan(feature_set == "behavioral", Path(path), LAST_DAY)
    table, seconds = measured(work)
    if check:
        write(table, BEHAVIORAL if feature_set == "behavioral" else RFM, Path(check))
    report(**seconds)


def write(table, names, folder):
    """A table of any peer (they all speak Arrow) in byte order of its ids."""
    import numpy as np
    import pyarrow as pa

    table = table if isinstance(table, pa.Table) else pa.table(table)
    ids = np.asarray(table["customer_id"].to_pylist())
    order = np.argsort(ids, kind="stable")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ids.txt").write_text("".join(f"{name}\n" for name in ids[order]))
    (folder / "names.txt").write_text("".join(f"{name}\n" for name in names))
    values = np.stack([table[name].cast("double").to_numpy()[order] for name in names], axis=1)
    values.astype("<f8").tofile(folder / "values.f64")


if __name__ == "__main__":
    main(*sys.argv[1:])
