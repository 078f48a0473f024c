"""The features by pandas and numpy: Arrow's reader, ids factorized once, sums by bincount over the codes."""

import numpy as np
import pandas as pd
import pyarrow as pa

from features import HALF_LIVES, TYPES, WINDOWS
from process import threads


def plan(behavioral, path, last_day):
    pa.set_cpu_count(threads())
    columns = ["customer_id", "event_date", "amount", *(["event_type"] if behavioral else [])]

    def work():
        if path.suffix == ".csv":
            dates = {"event_date": pd.ArrowDtype(pa.date32())}
            events = pd.read_csv(path, engine="pyarrow", usecols=columns, dtype=dates)
        else:
            events = pd.read_parquet(path, engine="pyarrow", columns=columns)
        return features(events, behavioral, last_day)

    return work


def features(events, behavioral, last_day):
    code, ids = pd.factorize(events["customer_id"])
    count = len(ids)
    days = pa.array(events["event_date"], pa.date32()).cast(pa.int32()).to_numpy()
    age = np.datetime64(last_day, "D").astype(np.int64).astype(np.int32) - days
    amount = events["amount"].to_numpy()
    present = ~np.isnan(amount)
    money = np.where(present, amount, 0)
    number = lambda rows: np.bincount(code[rows], minlength=count).astype(float)
    total = lambda rows: np.bincount(code[rows], money[rows], count)
    ages = pd.Series(age).groupby(code).agg(["max", "min"])
    tenure, quiet = (ages[name].to_numpy().astype(float) for name in ("max", "min"))
    everything = slice(None)
    recent, active = np.flatnonzero(age < 30), np.flatnonzero(age < 90)
    n, with_amount, n90, n30 = number(everything), number(present), number(active), number(recent)
    m90 = total(active)
    places = np.bincount(code[recent], 29 - age[recent], count)
    scale = lambda values: max(float(np.quantile(values, 0.95)), 0) or 1.0
    share = lambda part, whole, empty: np.divide(part, whole, out=np.full(count, empty), where=whole > 0)
    growth = np.where(n30 > 0, 12.5 * (1 + (share(places, n30, 0.0) - 14.5) / 14.5), 0)
    table = {
        "customer_id": ids,
        "recency_score": 100 * np.maximum(0, 1 - quiet / 365),
        "frequency_score": 100 * np.minimum(1, n90 / scale(n90)),
        "monetary_score": 100 * np.clip(m90 / scale(m90), 0, 1),
        "engagement_score": 50 * np.minimum(1, n30 / 10) + 25 * np.minimum(1, tenure / 365) + growth,
        "tenure_days": tenure,
        "activity_trend": (places - 14.5 * n30) / 2247.5,
        "avg_transaction_value": share(total(everything), with_amount, 0.0),
        "days_between_transactions": share(tenure - quiet, n - 1, np.nan),
    }
    if behavioral:
        for w in WINDOWS:
            rows = np.flatnonzero(age < w)
            table |= {f"count_{w}d": number(rows), f"amount_{w}d": total(rows)}
        for h in HALF_LIVES:
            # One power a day, not one a row.
            weight = (2.0 ** (-np.arange(age.max() + 1) / h))[age]
            table |= {f"decayed_count_{h}d": np.bincount(code, weight, count)}
            table |= {f"decayed_amount_{h}d": np.bincount(code, weight * money, count)}
        refunds = number(amount < 0)
        kinds, names = pd.factorize(events["event_type"])
        cells = np.bincount(code * len(names) + kinds, minlength=count * len(names)).reshape(count, -1)
        table |= {
            "active_months": active_months(code, age, count, last_day),
            "largest_amount": pd.Series(amount).groupby(code).max().to_numpy(),
            "refund_count": refunds,
            "refund_share": share(refunds, with_amount, 0.0),
            "days_since_first": tenure,
            "days_since_last": quiet,
            "count_ratio_30d_90d": share(n30, number(age < 120) - n30, np.nan),
            **{f"event_type={name}": cells[:, list(names).index(name)] for name in TYPES},
            "event_type_other": n - cells.sum(axis=1),
        }
    return pd.DataFrame(table)


def active_months(code, age, count, last_day):
    days = np.datetime64(last_day, "D") - np.arange(age.max() + 1)
    month = (np.datetime64(last_day, "M") - days.astype("datetime64[M]")).astype(np.int64)
    seen = np.zeros((count, month.max() + 1), bool)
    seen[code, month[age]] = True
    return seen.sum(axis=1)
