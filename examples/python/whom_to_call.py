"""From a frame of transactions to the list of whom to call.

    pip install openchurn pandas
    python examples/python/whom_to_call.py [transactions.csv] [--budget 500]

Without a file a log is made up. A file must have the columns customer_id, event_date and amount. Writes contacts.csv.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

import churn


def made_up_transactions(customers: int = 2000, days: int = 730, seed: int = 0) -> pd.DataFrame:
    """Make customers who buy at a pace of their own, of whom half stop some day."""
    draw = np.random.default_rng(seed)
    rows = []
    for customer in range(customers):
        pace, start = draw.uniform(5, 60), draw.uniform(0, days * 0.6)
        stop = days if draw.random() < 0.5 else draw.uniform(start, days)
        day = start
        while day <= stop:
            rows.append(
                (f"C{customer:05}", pd.Timestamp("2023-01-01") + pd.Timedelta(days=int(day)), draw.gamma(2.0, 20.0))
            )
            day += draw.exponential(pace)
    return pd.DataFrame(rows, columns=["customer_id", "event_date", "amount"]).round({"amount": 2})


def main() -> None:
    """Train, judge, explain, and choose."""
    arguments = argparse.ArgumentParser(description="Whom to call, from a frame of transactions.")
    arguments.add_argument("csv", nargs="?", help="transactions; made up if left out")
    arguments.add_argument("--budget", type=float, default=500.0, help="the most that the campaign may cost")
    given = arguments.parse_args()
    transactions = made_up_transactions() if given.csv is None else pd.read_csv(given.csv, dtype={"customer_id": str})

    # The frame as it is; a row that cannot be read is refused with its number and reason.
    events = churn.Events.from_table(transactions)
    print(events)

    # Learned from earlier cutoffs, judged at the last one, beside recency alone.
    model = churn.train(events, "gradient_boosting", feature_set="behavioral")
    evaluation = model.evaluation
    print(f"AUC {evaluation['metrics']['roc_auc']:.3f}; recency alone {evaluation['recency_auc']:.3f}")
    for band in evaluation["segments"]:
        if band["customers"]:
            print(f"  {band['segment']:<9}{band['customers']:>6} customers, {band['observed_rate']:.0%} churned")

    for finding in model.findings or []:
        print(f"{finding['severity']}: {finding['message']}")

    # First those who were well a month ago and no longer are.
    for customer in model.slipping_away(events, event="purchase", customers=5).to_pandas().itertuples():
        change = f"{customer.probability_before:.0%} -> {customer.churn_probability:.0%}"
        print(f"  slipping away: {customer.customer_id} {change}: {customer.changes}")

    # Of the customers whom the model speaks of, those whom it pays to call, and why they may leave.
    predictions = model.predict(events)
    print(predictions)
    spent = transactions.groupby("customer_id")["amount"].sum().clip(lower=0)
    contacts = churn.profit.contact_list(predictions, values=spent, budget=given.budget)
    reasons = model.explain(events, event="purchase").to_pandas()[["customer_id", "reasons"]]

    calls = contacts.to_pandas().merge(reasons.rename(columns={"reasons": "why"}), on="customer_id")
    calls.to_csv("contacts.csv", index=False)
    print(f"{contacts.contacts} to call, {contacts.controls} left alone to compare with; see contacts.csv")
    for call in calls[calls["group"] == "contact"].head(5).itertuples():
        print(f"  {call.customer_id} {call.churn_probability:.0%}, worth {call.expected_profit:.2f}: {call.why}")


if __name__ == "__main__":
    main()
