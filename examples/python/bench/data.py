"""The data of the benchmarks, the same for everybody: seeded, made once, kept under target/bench.

    python data.py FOLDER events ROWS CUSTOMERS     a log of events: shuffled.csv, ordered.csv, shuffled.parquet
    python data.py FOLDER log ROWS CUSTOMERS        a larger log: shuffled.csv alone, made in parts
    python data.py FOLDER matrix ROWS COLUMNS       x.f64, y.u8 to learn from; test_x.f64, test_y.u8 to judge on

A log spans two years up to LAST_DAY. Customers differ in how often they come and leave after a while; one row in six
has no amount; one in twenty-five is a refund. Rows are in random order; ordered.csv has the same ones by date.
Matrices are row-major little-endian doubles without a header.
"""

import sys
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
from pyarrow import parquet

SEED = 20_240_229
DAYS = 730
LAST_DAY = date(2024, 12, 31)
TYPES = ["purchase", "login", "visit", "refund", "support"]
SHARES = [0.80, 0.08, 0.05, 0.04, 0.03]
PART = 10_000_000
TEST_ROWS = 200_000


class Log:
    """Who comes how often and when; `part(i)` draws rows of it."""

    def __init__(self, rows, customers):
        rng = np.random.default_rng(SEED)
        self.rows, self.customers = rows, customers
        self.up_to = np.cumsum(rng.gamma(1.5, size=customers))
        self.start = rng.integers(0, DAYS - 30, customers)
        self.end = np.minimum(self.start + 1 + rng.exponential(300, customers).astype(int), DAYS - 1)
        self.parts = -(-rows // PART)

    def part(self, i):
        rng = np.random.default_rng([SEED, i])
        rows = min(PART, self.rows - i * PART)
        # Every customer has at least one row: the parts take turns with them.
        always = np.arange(i, self.customers, self.parts)
        drawn = np.searchsorted(self.up_to, rng.random(rows - len(always)) * self.up_to[-1])
        customer = rng.permutation(np.concatenate([always, np.minimum(drawn, self.customers - 1)]))
        day = self.start[customer] + ((self.end - self.start + 1)[customer] * rng.random(rows)).astype(int)
        kind = rng.choice(len(TYPES), rows, p=SHARES)
        cents = np.maximum(1, np.rint(100 * rng.lognormal(3.4, 0.9, rows)))
        amount = np.where(kind == 0, cents, np.where(kind == 3, -cents, np.nan)) / 100
        ids = pl.format("C{}", pl.col("customer").cast(pl.String).str.zfill(9))
        first = (LAST_DAY - timedelta(days=DAYS - 1) - date(1970, 1, 1)).days
        frame = pl.DataFrame({"customer": customer, "event_date": (first + day).astype(np.int32), "amount": amount, "event_type": kind})
        return frame.select(
            ids.alias("customer_id"),
            pl.col("event_date").cast(pl.Date),
            pl.col("amount").fill_nan(None),
            pl.col("event_type").replace_strict(list(range(len(TYPES))), TYPES, return_dtype=pl.String),
        )


def events(folder, rows, customers):
    frame = Log(rows, customers).part(0)
    frame.write_csv(folder / "shuffled.csv", float_precision=2)
    # Plain strings, as most writers have it: Arrow groups by Polars' large ones five times more slowly.
    plain = pa.schema({"customer_id": pa.string(), "event_date": pa.date32(), "amount": pa.float64(), "event_type": pa.string()})
    parquet.write_table(frame.to_arrow().cast(plain), folder / "shuffled.parquet", row_group_size=1_000_000)
    frame.sort("event_date", maintain_order=True).write_csv(folder / "ordered.csv", float_precision=2)


def log(folder, rows, customers):
    source = Log(rows, customers)
    with open(folder / "shuffled.csv", "wb") as file:
        for i in range(source.parts):
            source.part(i).write_csv(file, include_header=i == 0, float_precision=2)


def matrix(folder, rows, columns):
    """Skewed and whole-numbered columns as features of customers are; churn depends on some of them, not linearly."""
    rng = np.random.default_rng([SEED, rows, columns])
    n = rows + TEST_ROWS
    x = rng.standard_normal((n, columns))
    # What the columns share, as features of one customer do.
    x = 0.8 * x + 0.6 * rng.standard_normal((n, 1))
    raw = x.copy()
    x[:, 1::4] = np.exp(x[:, 1::4])
    x[:, 2::4] = np.rint(np.exp(1.5 + 0.8 * x[:, 2::4]))
    x[:, 3::4] = np.clip(100 * (0.5 + 0.4 * x[:, 3::4]), 0, 100)
    a, b, c, d, e = (raw[:, j] for j in range(5))
    logit = -1.2 + 0.9 * a - 0.7 * b + 0.5 * np.abs(c) - 0.6 * (d > 0.5) + 0.4 * a * e + 0.1 * raw[:, 5:].sum(axis=1) / columns**0.5
    y = (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(np.uint8)
    x[:rows].astype("<f8").tofile(folder / "x.f64")
    y[:rows].tofile(folder / "y.u8")
    x[rows:].astype("<f8").tofile(folder / "test_x.f64")
    y[rows:].tofile(folder / "test_y.u8")


if __name__ == "__main__":
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    {"events": events, "log": log, "matrix": matrix}[sys.argv[2]](out, int(sys.argv[3]), int(sys.argv[4]))
    # A folder without this file is made again: its making was broken off.
    (out / "done").touch()
