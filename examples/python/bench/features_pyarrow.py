"""The features by Acero, Arrow's streaming engine: scan, project, aggregate without a table of all rows."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from pyarrow import csv
from pyarrow.acero import AggregateNodeOptions, Declaration, ProjectNodeOptions, ScanNodeOptions

from features import HALF_LIVES, TYPES, WINDOWS
from process import threads

SCHEMA = pa.schema({"customer_id": pa.string(), "event_date": pa.date32(), "amount": pa.float64(), "event_type": pa.string()})
INT32, NOTHING = pa.int32(), pc.scalar(pa.scalar(None, pa.float64()))


def plan(behavioral, path, last_day):
    pa.set_cpu_count(threads())
    pa.set_io_thread_count(threads())

    def work():
        columns = ["customer_id", "event_date", "amount", *(["event_type"] if behavioral else [])]
        kind = ds.CsvFileFormat(convert_options=csv.ConvertOptions(column_types=SCHEMA)) if path.suffix == ".csv" else "parquet"
        options = ScanNodeOptions(ds.dataset(path, format=kind), columns=columns, use_threads=threads() > 1)
        last = pc.scalar(pa.scalar(last_day, pa.date32()).cast(pa.int32()))
        age = pc.subtract(last, pc.field("event_date").cast(pa.int32()))
        parts = rfm_parts() + (behavioral_parts(last_day) if behavioral else [])
        first = [(pc.field("customer_id"), "customer_id"), (age, "age"), (pc.field("amount"), "amount")]
        first += [(pc.field("event_type"), "event_type"), (pc.field("event_date"), "event_date")] if behavioral else []
        sums = Declaration.from_sequence([
            Declaration("scan", options),
            Declaration("project", ProjectNodeOptions([e for e, _ in first], [name for _, name in first])),
            Declaration("project", ProjectNodeOptions(
                [pc.field("customer_id"), *(e for e, _, _ in parts)], ["customer_id", *(name for _, name, _ in parts)])),
            Declaration("aggregate", AggregateNodeOptions(
                [(name if how != "count_all" else [], f"hash_{how}", None, name) for _, name, how in parts], ["customer_id"])),
        ]).to_table(use_threads=threads() > 1)
        return finish(sums, behavioral)

    return work


def rfm_parts():
    """Expression, name and aggregate of everything that is summed."""
    age, amount = pc.field("age"), pc.field("amount")
    int32 = lambda e: e.cast(INT32)
    return [
        (age, "tenure", "max"),
        (age, "quiet", "min"),
        (amount, "n", "count_all"),
        (amount, "with_amount", "count"),
        (amount, "total", "sum"),
        (int32(age < 90), "n90", "sum"),
        (pc.if_else(age < 90, amount, NOTHING), "m90", "sum"),
        (int32(age < 30), "n30", "sum"),
        (pc.if_else(age < 30, pc.subtract(pc.scalar(pa.scalar(29, INT32)), age), pc.scalar(pa.scalar(0, INT32))), "places", "sum"),
    ]


def behavioral_parts(last_day):
    age, amount, kind = pc.field("age"), pc.field("amount"), pc.field("event_type")
    int32 = lambda e: e.cast(INT32)
    weight = {h: pc.exp(pc.multiply(age.cast(pa.float64()), pc.scalar(-np.log(2) / h))) for h in HALF_LIVES}
    date = pc.field("event_date")
    month = pc.add(pc.multiply(pc.year(date), pc.scalar(12)), pc.month(date))
    return [
        *((int32(age < w), f"count_{w}d", "sum") for w in WINDOWS if w not in (30, 90)),
        *((pc.if_else(age < w, amount, NOTHING), f"amount_{w}d", "sum") for w in WINDOWS if w != 90),
        *((weight[h], f"decayed_count_{h}d", "sum") for h in HALF_LIVES),
        *((pc.multiply(amount, weight[h]), f"decayed_amount_{h}d", "sum") for h in HALF_LIVES),
        (month.cast(INT32), "active_months", "count_distinct"),
        (amount, "largest_amount", "max"),
        (int32(pc.less(amount, pc.scalar(0.0))), "refund_count", "sum"),
        (int32(age < 120), "n120", "sum"),
        *((int32(pc.equal(kind, pc.scalar(name))), f"event_type={name}", "sum") for name in TYPES),
    ]


def finish(sums, behavioral):
    """A million customers fit into numpy's arrays."""
    number = lambda name: pc.fill_null(sums[name], 0).to_numpy().astype(float)
    tenure, quiet, n, with_amount, total, n90, m90, n30, places = map(
        number, ("tenure", "quiet", "n", "with_amount", "total", "n90", "m90", "n30", "places"))
    scale = lambda values: max(float(np.quantile(values, 0.95)), 0) or 1.0
    share = lambda part, whole, empty: np.divide(part, whole, out=np.full(len(part), empty), where=whole > 0)
    growth = np.where(n30 > 0, 12.5 * (1 + (share(places, n30, 0.0) - 14.5) / 14.5), 0)
    columns = {
        "customer_id": sums["customer_id"],
        "recency_score": 100 * np.maximum(0, 1 - quiet / 365),
        "frequency_score": 100 * np.minimum(1, n90 / scale(n90)),
        "monetary_score": 100 * np.clip(m90 / scale(m90), 0, 1),
        "engagement_score": 50 * np.minimum(1, n30 / 10) + 25 * np.minimum(1, tenure / 365) + growth,
        "tenure_days": tenure,
        "activity_trend": (places - 14.5 * n30) / 2247.5,
        "avg_transaction_value": share(total, with_amount, 0.0),
        "days_between_transactions": share(tenure - quiet, n - 1, np.nan),
    }
    if behavioral:
        n120 = number("n120")
        names = [name for name in sums.column_names if name.startswith(("count_", "amount_", "decayed_", "event_type="))]
        columns |= {name: pc.fill_null(sums[name], 0) for name in names}
        columns |= {
            "count_30d": n30, "count_90d": n90, "amount_90d": m90,
            "active_months": sums["active_months"],
            "largest_amount": sums["largest_amount"],
            "refund_count": number("refund_count"),
            "refund_share": share(number("refund_count"), with_amount, 0.0),
            "days_since_first": tenure, "days_since_last": quiet,
            "count_ratio_30d_90d": share(n30, n120 - n30, np.nan),
            "event_type_other": n - sum(number(f"event_type={name}") for name in TYPES),
        }
    return pa.table(columns)
