"""The features in SQL."""

import duckdb

from features import HALF_LIVES, TYPES, WINDOWS
from process import threads

RFM_SUMS = """
    max(age) AS tenure, min(age) AS quiet, count(*) AS n, count(amount) AS with_amount, sum(amount) AS total,
    count(*) FILTER (age < 90) AS n90, coalesce(sum(amount) FILTER (age < 90), 0) AS m90,
    count(*) FILTER (age < 30) AS n30, coalesce(sum(29 - age) FILTER (age < 30), 0) AS places"""
RFM = """
    100 * greatest(0, 1 - quiet / 365) AS recency_score,
    100 * least(1, n90 / f) AS frequency_score,
    100 * least(1, greatest(0, m90) / m) AS monetary_score,
    50 * least(1, n30 / 10) + 25 * least(1, tenure / 365)
        + CASE WHEN n30 > 0 THEN 12.5 * (1 + (places / n30 - 14.5) / 14.5) ELSE 0 END AS engagement_score,
    tenure AS tenure_days,
    (places - 14.5 * n30) / 2247.5 AS activity_trend,
    coalesce(total / with_amount, 0) AS avg_transaction_value,
    CASE WHEN n > 1 THEN (tenure - quiet) / (n - 1) END AS days_between_transactions"""

COUNTS = [w for w in WINDOWS if w not in (30, 90)]
AMOUNTS = [w for w in WINDOWS if w != 90]
BEHAVIORAL_SUMS = ",".join([
    *(f"count(*) FILTER (age < {w}) AS count_{w}d" for w in COUNTS),
    *(f"coalesce(sum(amount) FILTER (age < {w}), 0) AS amount_{w}d" for w in AMOUNTS),
    *(f"sum(w{h}) AS decayed_count_{h}d" for h in HALF_LIVES),
    *(f"coalesce(sum(amount * w{h}), 0) AS decayed_amount_{h}d" for h in HALF_LIVES),
    "bit_or(1::UBIGINT << months_ago) AS months", "max(amount) AS largest_amount",
    "count(*) FILTER (amount < 0) AS refund_count", "count(*) FILTER (age < 120) AS n120",
    *(f"count(*) FILTER (event_type = '{name}') AS \"event_type={name}\"" for name in TYPES),
])
BEHAVIORAL = ",".join([
    *(f"count_{w}d" for w in COUNTS), "n30 AS count_30d", "n90 AS count_90d",
    *(f"amount_{w}d" for w in AMOUNTS), "m90 AS amount_90d",
    *(f"decayed_count_{h}d" for h in HALF_LIVES), *(f"decayed_amount_{h}d" for h in HALF_LIVES),
    "bit_count(months) AS active_months", "largest_amount", "refund_count",
    "coalesce(refund_count / nullif(with_amount, 0), 0) AS refund_share",
    "tenure AS days_since_first", "quiet AS days_since_last", "n30 / nullif(n120 - n30, 0) AS count_ratio_30d_90d",
    *(f'"event_type={name}"' for name in TYPES),
    "n - (" + " + ".join(f'"event_type={name}"' for name in TYPES) + ") AS event_type_other",
])


def plan(behavioral, path, last_day):
    types = "{'customer_id': 'VARCHAR', 'event_date': 'DATE', 'amount': 'DOUBLE', 'event_type': 'VARCHAR'}"
    source = f"read_csv('{path}', header = true, delim = ',', columns = {types})" if path.suffix == ".csv" else f"'{path}'"
    rows = f"SELECT *, DATE '{last_day}' - event_date AS age FROM {source}"
    if behavioral:
        month = last_day.year * 12 + last_day.month
        weights = ", ".join(f"pow(2, -age / {h}) AS w{h}" for h in HALF_LIVES)
        rows = f"SELECT *, {weights}, {month} - (year(event_date) * 12 + month(event_date)) AS months_ago FROM ({rows})"
    sums = RFM_SUMS + ("," + BEHAVIORAL_SUMS if behavioral else "")
    columns = RFM + ("," + BEHAVIORAL if behavioral else "")
    query = f"""
        WITH sums AS MATERIALIZED (SELECT customer_id, {sums} FROM ({rows}) GROUP BY customer_id),
        percentiles AS (SELECT quantile_cont(n90, 0.95) AS f, quantile_cont(m90, 0.95) AS m FROM sums),
        scales AS (SELECT CASE WHEN f > 0 THEN f ELSE 1 END AS f, CASE WHEN m > 0 THEN m ELSE 1 END AS m FROM percentiles)
        SELECT customer_id, {columns} FROM sums, scales"""
    connection = duckdb.connect(config={"preserve_insertion_order": False})
    connection.execute(f"SET threads = {threads()}")
    return lambda: connection.sql(query).to_arrow_table()
