"""Writes `expected.json`: the periods that a reader should make of each file in `exports/`.

    python tests/subscriptions/expected.py            rewrite the file
    python tests/subscriptions/expected.py --check    compare the file with what would be written; exit 1 if they differ

Standard library only, and nothing of the library under test: each export has its own few lines here, in exact fractions
that are rounded once. All people, orders and numbers in the exports are invented. Their column names are the documented ones.

A period is a list: customer, first day, first day after it or null, subscription, plan, amount per month, the day on which the
end became known, the reason of the end, and whether it is a trial. An amount is the shortest text of the nearest double.
"""

import csv
import json
import sys
from collections import Counter, defaultdict
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
PATH = FOLDER / "expected.json"

# How many of a unit are a month. A year has 12 months, 52 weeks and 365 days, so that a weekly price is 52/12 of itself a month.
MONTHS = {"day": Fraction(12, 365), "week": Fraction(12, 52), "month": Fraction(1), "year": Fraction(12)}


def rows(name):
    with open(FOLDER / "exports" / name, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def money(text):
    return Fraction(Decimal(text))


def day(text):
    """The day that is written. A name of a time zone behind the time is not looked at: all times of a file are of one zone."""
    return date.fromisoformat(text[:10]) if text else None


def is_last_of_month(of):
    return (of + timedelta(days=1)).day == 1


def months_between(start, end):
    """The length of a billing period in months if it is whole months or whole weeks, else None.

    Someone who subscribed on the 31st is billed on the last day of shorter months, so that either day may be cut.
    """
    count = (end.year - start.year) * 12 + end.month - start.month
    same = start.day == end.day
    cut_end = is_last_of_month(end) and start.day > end.day
    cut_start = is_last_of_month(start) and end.day > start.day
    if count >= 1 and (same or cut_end or cut_start):
        return Fraction(count)
    days = (end - start).days
    if days > 0 and days % 7 == 0:
        return days // 7 * MONTHS["week"]
    return None


def period(customer, start, end, subscription, plan, amount, known, reason, trial=False):
    """A period as in the file. Nobody pays in a trial, so it has no amount; an end that is not there is not known."""
    if end is None:
        known = reason = None
    if trial:
        amount = None
    text = None if amount is None else repr(float(amount))
    days = [None if one is None else one.isoformat() for one in (start, end, known)]
    return [customer, days[0], days[1], subscription, plan, text, days[2], reason, trial]


def with_trial(customer, start, end, subscription, plan, amount, known, reason, trial_start, trial_end, in_trial):
    """The trial and what was paid for, of a row that holds both."""
    found = []
    if trial_end is not None:
        begin = trial_start or start
        if end is not None and end <= trial_end:
            return [period(customer, begin, end, subscription, plan, None, known, "trial_not_converted", True)]
        if in_trial:
            # Whether it becomes a subscription is not known yet. A paid period that starts later than everything else in the
            # file would say that the data reach so far.
            return [period(customer, begin, None, subscription, plan, None, None, None, True)]
        found.append(period(customer, begin, trial_end, subscription, plan, None, None, None, True))
        start = trial_end
    # Started and ended on one day: it covers no day.
    if end is None or end > start:
        found.append(period(customer, start, end, subscription, plan, amount, known, reason))
    return found


def stripe_subscriptions():
    reasons = {"cancellation_requested": "voluntary", "payment_failed": "involuntary", "payment_disputed": "involuntary", "": None}
    found = []
    for row in rows("stripe_subscriptions.csv"):
        status = row["Status"]
        # The first payment failed: it never began.
        if status in ("incomplete", "incomplete_expired"):
            continue
        # `Start (UTC)` is the last change of the items or of the status, not the start.
        start = day(row["Start Date (UTC)"] or row["Created (UTC)"])
        canceled = day(row["Canceled At (UTC)"])
        end = day(row["Ended At (UTC)"])
        if end is None and (row["Cancel At Period End"] == "true" or canceled):
            end = day(row["Current Period End (UTC)"])
        months = int(row["Interval Count"]) * MONTHS[row["Interval"]]
        amount = money(row["Amount"]) * int(row["Quantity"]) / months
        found += with_trial(
            row["Customer ID"], start, end, row["id"], row["Plan"], amount, canceled, reasons[row["Cancellation Reason"]],
            day(row["Trial Start (UTC)"]), day(row["Trial End (UTC)"]), status == "trialing",
        )
    return found


def stripe_invoices():
    """One period for each paid invoice of a subscription, to be read with the ends known at the start."""
    found = []
    of_subscription = defaultdict(list)
    every = rows("stripe_invoices.csv")
    last = max(day(row["Date (UTC)"]) for row in every)
    for row in every:
        if row["Subscription"]:
            of_subscription[row["Customer"], row["Subscription"]].append(row)
    for (customer, subscription), invoices in of_subscription.items():
        # `Period Start (UTC)` looks back by one period. The lines have the days that are paid for.
        invoices.sort(key=lambda row: row["Minimum Line Item Period Start (UTC)"])
        paid = [row for row in invoices if row["Status"] == "paid"]
        for at, row in enumerate(paid):
            start = day(row["Minimum Line Item Period Start (UTC)"])
            end = day(row["Maximum Line Item Period End (UTC)"])
            # A full discount leaves a subtotal, a trial does not.
            is_trial = at == 0 and money(row["Subtotal"]) == 0
            net = money(row["Total"]) - money(row["Tax"] or "0")
            reason = None
            if at + 1 == len(paid):
                given_up = [one for one in invoices if one["Status"] == "uncollectible"]
                if is_trial and end <= last:
                    reason = "trial_not_converted"
                elif any(day(one["Minimum Line Item Period Start (UTC)"]) == end for one in given_up):
                    reason = "involuntary"
            amount = net / months_between(start, end)
            found.append(period(customer, start, end, subscription, None, amount, None, reason, is_trial))
    return found


def recurly_rows(name):
    reasons = {
        "Canceled": "voluntary",
        "Non-payment": "involuntary",
        "Tax Location Invalid": "involuntary",
        "Fixed billing cycles": "other",
        "Nonpayment_gift": "other",
        "Account_closed": "other",
        "Nonpayment_trial": "trial_not_converted",
    }
    lengths = defaultdict(Counter)
    for row in rows(name):
        begin, trial_start = day(row["current_period_started_at"]), day(row["trial_started_at"])
        # While a trial runs, the current period is the trial; one that was cut short by the end has lost its length.
        if row["state"] not in ("future", "pending", "failed", "expired") and begin != trial_start:
            months = months_between(begin, day(row["current_period_ends_at"]))
            if months is not None:
                lengths[row["plan_code"]][months] += 1
    usual = {plan: counts.most_common(1)[0][0] for plan, counts in lengths.items()}
    found = []
    for row in rows(name):
        if row["state"] in ("future", "pending", "failed"):
            continue
        start, end, canceled = day(row["activated_at"]), day(row["expires_at"]), day(row["canceled_at"])
        trial_start, trial_end = day(row["trial_started_at"]), day(row["trial_ends_at"])
        begin = day(row["current_period_started_at"])
        # The amount is for a billing period. The export does not say how long that is, but those of the plan that run have days.
        months = usual.get(row["plan_code"])
        amount = None if months is None else money(row["total_recurring_amount"]) / months
        if "expiration_reason" in row:
            reason = reasons[row["expiration_reason"]]
        else:
            # Without a reason: someone asked for it if it was cancelled before it ended. On one day it may be either.
            reason = "voluntary" if canceled and end and canceled < end else None
        in_trial = trial_end is not None and begin == trial_start and row["state"] != "expired"
        found += with_trial(
            row["account_code"], start, end, row["uuid"], row["plan_code"], amount, canceled, reason,
            trial_start, trial_end, in_trial,
        )
    return found


def recurly_history():
    """Each version of a subscription is a period. A version in the state canceled says since when the end is known."""
    units = {"days": "day", "weeks": "week", "months": "month", "years": "year"}
    found = []
    for row in rows("recurly_history.csv"):
        if row["subscription_state"] == "expired":
            continue
        start, end, known, reason = day(row["version_started_at"]), day(row["version_ended_at"]), None, None
        is_trial = row["version_in_trial"] == "Y"
        if row["subscription_state"] == "canceled":
            end, known = end or day(row["subscription_expires_at"]), start
            reason = "trial_not_converted" if is_trial else "voluntary"
        months = int(row["version_plan_interval_length"]) * MONTHS[units[row["version_plan_interval_unit"]]]
        amount = money(row["version_total_recurring_amount"]) / months
        found.append(
            period(row["account_code"], start, end, row["subscription_uuid"], row["plan_code"], amount, known, reason, is_trial)
        )
    return found


def chargebee():
    involuntary = ("not paid", "no card")
    found = []
    for row in rows("chargebee.csv"):
        row = {name.removeprefix("subscriptions."): value for name, value in row.items()}
        status = row["status"].lower().replace("_", " ")
        if status == "future":
            continue
        # `cancelled_at` is when it ended or will end, not when somebody asked for it.
        end, known = day(row["cancelled_at"]), day(row["cancel_schedule_created_at"])
        if status == "non renewing" and known is None:
            # It was known at the latest when the row was last written.
            known = day(row["updated_at"])
        # Chargebee writes a reason if it cancelled by itself. The reason code is a text of the merchant.
        cause = (row["cancel_reason"] or row["cancel_reason_code"]).lower().replace("_", " ")
        # Without any, somebody cancelled it. What a text of the merchant means is not known.
        reason = "involuntary" if cause in involuntary else "voluntary" if not cause else "other"
        # The current term would do for those that run, but the last one of those that ended may be cut short.
        months = int(row["billing_period"]) * MONTHS[row["billing_period_unit"]] if row["billing_period"] else None
        amount = None if months is None else money(row["plan_unit_price"]) * int(row["plan_quantity"]) / months
        found += with_trial(
            row["customers.id"], day(row["started_at"]), end, row["id"], row["plan_id"], amount, known, reason,
            day(row["trial_start"]), day(row["trial_end"]), status == "in trial",
        )
    return found


def chartmogul():
    """MRR intervals are periods already: in hundredths, of the month, with the quantity in them."""
    every = [row for row in rows("chartmogul.csv") if row["IS_FREE"] != "true" or row["IS_TRIAL"] == "true"]
    last = max(day(row["START_DATE"]) for row in every)
    paid_from = defaultdict(list)
    for row in every:
        if row["IS_TRIAL"] != "true":
            paid_from[row["SUBSCRIPTION_UUID"]].append(day(row["START_DATE"]))
    found = []
    for row in every:
        start, end, is_trial = day(row["START_DATE"]), day(row["END_DATE"]), row["IS_TRIAL"] == "true"
        reason = None
        # A trial whose end lies after everything else may still become a subscription.
        if is_trial and end is not None and end <= last and all(one < end for one in paid_from[row["SUBSCRIPTION_UUID"]]):
            reason = "trial_not_converted"
        if is_trial and end is not None and end > last:
            end = None
        amount = money(row["MRR"]) / 100
        found.append(
            period(row["CUSTOMER_UUID"], start, end, row["SUBSCRIPTION_UUID"], row["PLAN_UUID"], amount, None, reason, is_trial)
        )
    return found


def expected():
    found = {
        "stripe_subscriptions.csv": stripe_subscriptions(),
        "stripe_invoices.csv": stripe_invoices(),
        "recurly.csv": recurly_rows("recurly.csv"),
        "recurly_churned.csv": recurly_rows("recurly_churned.csv"),
        "recurly_history.csv": recurly_history(),
        "chargebee.csv": chargebee(),
        "chartmogul.csv": chartmogul(),
    }
    for periods in found.values():
        # An end that is not there comes last.
        periods.sort(key=lambda one: (one[0], one[1], one[2] or "9999", one[3] or ""))
    files = []
    for name, periods in found.items():
        lines = ",\n".join("    " + json.dumps(one, ensure_ascii=False) for one in periods)
        files.append(f"  {json.dumps(name)}: [\n{lines}\n  ]")
    return "{\n" + ",\n".join(files) + "\n}\n"


def main():
    text = expected()
    if "--check" in sys.argv[1:]:
        if not PATH.exists() or PATH.read_text(encoding="utf-8") != text:
            sys.exit(f"{PATH.name} differs from what would be written")
    else:
        PATH.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
