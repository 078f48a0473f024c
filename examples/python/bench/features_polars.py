"""The features as a lazy query, run by the streaming engine."""

import polars as pl
from polars import col

from features import HALF_LIVES, TYPES, WINDOWS
from process import threads

SCHEMA = {"customer_id": pl.String, "event_date": pl.Date, "amount": pl.Float64, "event_type": pl.String}


def plan(behavioral, path, last_day):
    assert pl.thread_pool_size() == threads()

    def work():
        scan = pl.scan_csv(path, schema=SCHEMA) if path.suffix == ".csv" else pl.scan_parquet(path)
        return table(scan, behavioral, last_day)

    return work


def table(scan, behavioral, last_day):
    """The features of every customer of these rows, none of which may lie after the last day."""
    age = (pl.lit(last_day) - col("event_date")).dt.total_days().cast(pl.Int32)
    rows = scan.with_columns(age=age)
    if behavioral:
        month = last_day.year * 12 + last_day.month
        date = col("event_date").dt
        rows = rows.with_columns(
            pl.lit(2, pl.Int64).pow((month - date.year() * 12 - date.month()).cast(pl.UInt32)).alias("month"),
            *((2.0 ** (-col("age") / h)).alias(f"w{h}") for h in HALF_LIVES),
        )
    sums = rows.group_by("customer_id").agg(*rfm_sums(), *(behavioral_sums() if behavioral else ())).collect(engine="streaming")
    scales = [sums[name].quantile(0.95, interpolation="linear") for name in ("n90", "m90")]
    f, m = (scale if scale > 0 else 1.0 for scale in scales)
    return sums.lazy().select("customer_id", *rfm(f, m), *(behaviors() if behavioral else ())).collect(engine="streaming")


def rfm_sums():
    age, amount = col("age"), col("amount")
    return [
        age.max().alias("tenure"),
        age.min().alias("quiet"),
        pl.len().alias("n"),
        amount.count().alias("with_amount"),
        amount.sum().alias("total"),
        (age < 90).sum().alias("n90"),
        amount.filter(age < 90).sum().alias("m90"),
        (age < 30).sum().alias("n30"),
        (29 - age).filter(age < 30).sum().alias("places"),
    ]


def rfm(f, m):
    n30, places, tenure, quiet = col("n30"), col("places"), col("tenure"), col("quiet")
    growth = pl.when(n30 > 0).then(12.5 * (1 + (places / n30 - 14.5) / 14.5)).otherwise(0.0)
    return [
        (100 * (1 - quiet / 365).clip(lower_bound=0)).alias("recency_score"),
        (100 * (col("n90") / f).clip(upper_bound=1)).alias("frequency_score"),
        (100 * (col("m90") / m).clip(0, 1)).alias("monetary_score"),
        (50 * (n30 / 10).clip(upper_bound=1) + 25 * (tenure / 365).clip(upper_bound=1) + growth).alias("engagement_score"),
        tenure.alias("tenure_days"),
        ((places - 14.5 * n30) / 2247.5).alias("activity_trend"),
        pl.when(col("with_amount") > 0).then(col("total") / col("with_amount")).otherwise(0.0).alias("avg_transaction_value"),
        pl.when(col("n") > 1).then((tenure - quiet) / (col("n").cast(pl.Int64) - 1)).alias("days_between_transactions"),
    ]


def behavioral_sums():
    age, amount, kind = col("age"), col("amount"), col("event_type")
    return [
        *((age < w).sum().alias(f"count_{w}d") for w in WINDOWS if w not in (30, 90)),
        *(amount.filter(age < w).sum().alias(f"amount_{w}d") for w in WINDOWS if w != 90),
        *(col(f"w{h}").sum().alias(f"decayed_count_{h}d") for h in HALF_LIVES),
        *((amount * col(f"w{h}")).sum().alias(f"decayed_amount_{h}d") for h in HALF_LIVES),
        col("month").bitwise_or().alias("months"),
        amount.max().alias("largest_amount"),
        (amount < 0).sum().alias("refund_count"),
        (age < 120).sum().alias("n120"),
        *((kind == name).sum().alias(f"event_type={name}") for name in TYPES),
    ]


def behaviors():
    n30, prior = col("n30").cast(pl.Int64), col("n120").cast(pl.Int64) - col("n30").cast(pl.Int64)
    return [
        *(f"count_{w}d" for w in WINDOWS if w not in (30, 90)),
        n30.alias("count_30d"),
        col("n90").alias("count_90d"),
        *(f"amount_{w}d" for w in WINDOWS if w != 90),
        col("m90").alias("amount_90d"),
        *(f"decayed_count_{h}d" for h in HALF_LIVES),
        *(f"decayed_amount_{h}d" for h in HALF_LIVES),
        col("months").bitwise_count_ones().alias("active_months"),
        "largest_amount",
        "refund_count",
        pl.when(col("with_amount") > 0).then(col("refund_count") / col("with_amount")).otherwise(0.0).alias("refund_share"),
        col("tenure").alias("days_since_first"),
        col("quiet").alias("days_since_last"),
        pl.when(prior > 0).then(n30 / prior).alias("count_ratio_30d_90d"),
        *(f"event_type={name}" for name in TYPES),
        (col("n") - pl.sum_horizontal(f"event_type={name}" for name in TYPES)).alias("event_type_other"),
    ]
