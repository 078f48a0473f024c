"""Writes subscriptions.json.

    python tests/vectors/oracle_subscriptions.py            rewrite the file
    python tests/vectors/oracle_subscriptions.py --check    compare the file with what would be written; exit 1 if they differ

The sentences of docs/subscriptions.md taken literally, a day at a time: for every customer and day the set of the periods
that cover it, and everything else read off by walking over the days. Amounts are exact fractions, rounded to a float once.
The first cases are worked by hand, with the arithmetic beside them. Where lifelines is installed, the curves and their intervals
are held to it. Needs what oracle.py needs. It is long because of the cases worked by hand, which stand with the code that checks them.
"""
import csv
import io
import math
import random
from calendar import monthrange
from collections import defaultdict
from datetime import date
from fractions import Fraction
from typing import NamedTuple

from oracle import main

try:
    from lifelines import KaplanMeierFitter
except ImportError:
    KaplanMeierFitter = None

# The 97.5 % quantile of the normal distribution.
Z = 1.959963984540054

HEADER = "customer_id,start_date,end_date,subscription_id,plan,amount,known_at,end_reason,trial"
FEATURES = ["spell_days", "customer_days", "spells", "period_days", "days_to_renewal", "term_days", "subscriptions",
            "cancelled_subscriptions", "amount", "amount_change_30", "amount_change_90", "amount_change_365", "upgrades", "downgrades",
            "days_since_upgrade", "days_since_downgrade", "plan_changes", "days_since_plan_change", "involuntary_ends", "trials", "plan"]


class Period(NamedTuple):
    """Days are counted from 1 January of the year 1. No end, no known_at, ... is None."""
    row: int
    customer: str
    start: int
    end: int | None
    subscription: str | None
    plan: str | None
    amount: Fraction | None
    known_at: int | None
    reason: str | None
    trial: bool


class Spell(NamedTuple):
    """The first day, the first day after it (None: it runs on), and the stretches: first day, periods."""
    start: int
    end: int | None
    stretches: list

    def covers(self, day):
        return self.start <= day and (self.end is None or day < self.end)


def number(text):
    return date.fromisoformat(text).toordinal() if text else None


def text(day):
    return date.fromordinal(day).isoformat()


def read(csv_text):
    return [Period(i, r["customer_id"], number(r["start_date"]), number(r["end_date"]), r["subscription_id"] or None, r["plan"] or None,
                   Fraction(float(r["amount"])) if r["amount"] else None, number(r["known_at"]), r["end_reason"] or None, r["trial"] == "true")
            for i, r in enumerate(csv.DictReader(io.StringIO(csv_text)))]


def latest_day(periods, at_start):
    days = [p.start for p in periods] + [p.known_at for p in periods if p.known_at is not None]
    return max(days + [p.end for p in periods if p.end is not None and p.known_at is None and not at_start])


def known(periods, c, at_start):
    """What is known on the day c: an end that is not known, and its reason, are taken away."""
    seen = []
    for p in periods:
        if p.start > c:
            continue
        cancelled = p.known_at is not None and p.known_at <= c
        come = p.end is not None and p.end <= c and (cancelled or p.known_at is None)
        end_known = p.end is not None and (at_start or cancelled or come)
        reason_known = cancelled or (end_known and p.end <= c)
        seen.append(p._replace(end=p.end if end_known else None, known_at=p.known_at if cancelled else None,
                               reason=p.reason if reason_known else None))
    return seen


def known_when_it_goes_on(periods):
    """An end on which another paid period of the customer starts is known at the latest when it comes."""
    starts = {(p.customer, p.start) for p in periods if not p.trial}
    late = lambda p: p.known_at is not None and p.known_at > p.end and (p.customer, p.end) in starts
    return [p._replace(known_at=p.end) if late(p) else p for p in periods]


def covering_by_day(periods, first, last):
    """customer -> day -> the periods that are no trials and cover it, for the days from first to last."""
    days = defaultdict(lambda: defaultdict(set))
    for p in periods:
        if not p.trial:
            for day in range(first, last + 1):
                if p.start <= day and (p.end is None or day < p.end):
                    days[p.customer][day].add(p)
    return days


def spells_of(covered, first, last, allowed):
    """Walks over the days. What covers the last day runs on."""
    spells, stretches, hole = [], [], 0
    start = end = before = None
    for day in range(first, last + 1):
        now = covered.get(day, set())
        if not now:
            hole += 1
        elif start is None or hole > allowed:
            if start is not None:
                spells.append(Spell(start, end, stretches))
            start, stretches = day, [(day, now)]
        elif hole > 0 or now != before:
            stretches.append((day, now))
        if now:
            end, hole = day + 1, 0
        before = now
    if start is not None:
        spells.append(Spell(start, None if end == last + 1 else end, stretches))
    return spells


def total(periods):
    return sum((p.amount for p in periods if p.amount is not None), Fraction(0))


def total_or_none(periods):
    return None if all(p.amount is None for p in periods) else total(periods)


def compare(a, b):
    """1 if the amount a is larger, -1 if it is smaller, 0 if they differ by at most a billionth of the larger."""
    return 0 if abs(a - b) <= max(a, b) * Fraction(1, 10**9) else 1 if a > b else -1


def by_bytes(name):
    return name is not None, (name or "").encode()


def plan_of(periods):
    return max(periods, key=lambda p: (p.amount is not None, p.amount or 0, p.start, by_bytes(p.plan))).plan


# ---------------------------------------------------------------- at a day

def statuses(periods, c, at_start):
    days = covering_by_day(known(periods, c, at_start), c, c)
    answer = {}
    for customer in sorted({p.customer for p in periods}, key=str.encode):
        now = days[customer][c]
        if not now:
            answer[customer] = "not_active"
        else:
            answer[customer] = "already_cancelled" if all(p.known_at is not None for p in now) else "active"
    return answer


def whole(periods, last_day):
    """The whole data: the first day, a day after everything has ended, and the covering periods of each day between."""
    first = min(p.start for p in periods)
    last = max([p.end for p in periods if p.end is not None] + [last_day]) + 1
    return first, last, covering_by_day(periods, first, last)


def labels(periods, status, c, horizon, gap, last_day, allowed):
    if c + gap + horizon + allowed > last_day:
        return None
    first, last, days = whole(periods, last_day)
    answer = {}
    for customer, s in status.items():
        if s != "active" or not days[customer][c]:  # or had ended, though nobody knew it
            continue
        spells = spells_of(days[customer], first, last, allowed)
        [index] = [i for i, spell in enumerate(spells) if spell.covers(c)]
        e = spells[index].end
        if e is None or not c + gap < e <= c + gap + horizon:
            answer[customer] = [0, None]
            continue
        members = {p for _, now in spells[index].stretches for p in now}
        order = lambda p: (p.end, p.amount is not None, p.amount or 0, p.start, by_bytes(p.subscription))
        latest = max(members, key=order)
        [reason] = {p.reason or "other" for p in members if order(p) == order(latest)}  # nothing is left to chance
        answer[customer] = [1, reason]
    return answer


def features(periods, customer, c, at_start, allowed):
    seen = known([p for p in periods if p.customer == customer], c, at_start)
    first = min(p.start for p in seen)
    covered = covering_by_day(seen, first, c)[customer]
    spells = spells_of(covered, first, c, allowed)
    now, current = covered[c], spells[-1]
    f = dict.fromkeys(FEATURES)
    f["spell_days"] = c - current.start
    f["customer_days"] = c - min(p.start for p in seen if not p.trial)
    f["spells"] = len(spells)
    f["period_days"] = c - max(p.start for p in now)
    renewals = [p for p in now if at_start and p.end is not None and p.known_at is None]
    if renewals:
        earliest = min(p.end for p in renewals)
        f["days_to_renewal"] = earliest - c
        f["term_days"] = max(p.end - p.start for p in renewals if p.end == earliest)
    f["subscriptions"] = len(now)
    f["cancelled_subscriptions"] = sum(p.known_at is not None for p in now)
    amount = total_or_none(now)
    f["amount"] = None if amount is None else float(amount)
    for n in (30, 90, 365):
        then = total_or_none(covered.get(c - n, set()))
        f[f"amount_change_{n}"] = None if amount is None or then is None else float(amount - then)
    f["upgrades"] = f["downgrades"] = f["plan_changes"] = 0
    for spell in spells:
        for (_, before), (day, after) in zip(spell.stretches, spell.stretches[1:]):
            if None not in (total_or_none(before), total_or_none(after)):
                change = compare(total(after), total(before))
                if change > 0:
                    f["upgrades"] += 1
                    f["days_since_upgrade"] = c - day
                if change < 0:
                    f["downgrades"] += 1
                    f["days_since_downgrade"] = c - day
            if None not in (plan_of(before), plan_of(after)) and plan_of(before) != plan_of(after):
                f["plan_changes"] += 1
                f["days_since_plan_change"] = c - day
    f["involuntary_ends"] = sum(not p.trial and p.end is not None and p.end <= c and p.reason == "involuntary" for p in seen)
    f["trials"] = sum(p.trial for p in seen)
    f["plan"] = plan_of(now)
    return list(f.values())


# ---------------------------------------------------------------- movements

def movements(periods, last_day, allowed):
    first, last, days = whole(periods, last_day)
    spells = {customer: spells_of(covered, first, last, allowed) for customer, covered in days.items()}
    begins = [spell.start for own in spells.values() for spell in own]
    if not begins:
        return []

    def state(day):
        """customer -> amount, of those who are there."""
        there = {}
        for customer, own in spells.items():
            for spell in own:
                if spell.covers(day):
                    there[customer] = total([now for start, now in spell.stretches if start <= day][-1])
        return there

    rows = []
    year, month = date.fromordinal(min(begins)).year, date.fromordinal(min(begins)).month
    before = {}
    while True:
        begin = date(year, month, 1).toordinal()
        end = date(year, month, monthrange(year, month)[1]).toordinal()
        if end > last_day:
            return rows
        now = state(end)
        customers = dict.fromkeys(("start", "new", "expansion", "reactivation", "contraction", "churn", "end"), 0)
        amounts = dict.fromkeys(customers, Fraction(0))

        def count(kind, amount):
            customers[kind] += 1
            amounts[kind] += amount

        for customer in spells:
            if customer in before:
                count("start", before[customer])
            if customer in now:
                count("end", now[customer])
            if customer in now and customer not in before:
                began_before = any(spell.start < begin for spell in spells[customer])
                count("reactivation" if began_before else "new", now[customer])
            if customer in before and customer not in now:
                count("churn", before[customer])
            if customer in before and customer in now:
                change = compare(now[customer], before[customer])
                if change > 0:
                    count("expansion", now[customer] - before[customer])
                if change < 0:
                    count("contraction", before[customer] - now[customer])
        a = amounts
        assert abs(a["start"] + a["new"] + a["expansion"] + a["reactivation"] - a["contraction"] - a["churn"] - a["end"]) < 1e-9
        assert customers["start"] + customers["new"] + customers["reactivation"] - customers["churn"] == customers["end"]
        share = lambda part, of: float(Fraction(part) / of) if of else None
        rows.append({
            "month": f"{year:04}-{month:02}", "customers": customers, "amounts": {k: float(v) for k, v in a.items()},
            "gross_retention": share(a["start"] - a["contraction"] - a["churn"], a["start"]),
            "net_retention": share(a["start"] + a["expansion"] - a["contraction"] - a["churn"], a["start"]),
            "customer_churn_rate": share(customers["churn"], customers["start"]), "revenue_churn_rate": share(a["churn"], a["start"]),
            "provisional": last_day - end < allowed})
        before = now
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)


# ---------------------------------------------------------------- retention

def curve(seen):
    """A row a day with an end, of pairs (days, ended): days, at risk, ended, survival, low, high."""
    if not any(ended for _, ended in seen):
        return []
    fit = KaplanMeierFitter and KaplanMeierFitter(alpha=0.05).fit([days for days, _ in seen], [ended for _, ended in seen])
    rows, survival, variance = [], Fraction(1), Fraction(0)
    for day in sorted({days for days, ended in seen if ended}):
        n = sum(days >= day for days, _ in seen)
        d = sum(days == day and ended for days, ended in seen)
        survival *= 1 - Fraction(d, n)
        low = high = None
        if survival > 0:
            variance += Fraction(d, n * (n - d))
            # On the scale of log(-log S), with Greenwood's variance.
            log = math.log(survival)
            width = Z * math.sqrt(variance) / log
            low, high = (math.exp(-math.exp(math.log(-log) + side * width)) for side in (-1, 1))
        if fit:
            assert math.isclose(survival, fit.survival_function_.loc[day].iloc[0], rel_tol=1e-9, abs_tol=1e-12)
            both = zip((low, high), fit.confidence_interval_.loc[day]) if survival > 0 else ()
            assert all(math.isclose(own, theirs, rel_tol=1e-9) for own, theirs in both)
        rows.append([day, n, d, float(survival), low, high])
    return rows


def retention(periods, last_day, allowed):
    first, last, days = whole(periods, last_day)
    until = last_day - allowed
    everyone, by_plan, by_cohort = [], defaultdict(list), defaultdict(list)
    for covered in days.values():
        for spell in spells_of(covered, first, last, allowed):
            if spell.start > until:
                continue
            seen = (until + 1 - spell.start, False) if spell.covers(until) else (spell.end - spell.start, True)
            everyone.append(seen)
            by_cohort[text(spell.start)[:7]].append(seen)
            plan = plan_of(spell.stretches[0][1])
            if plan is not None:
                by_plan[plan].append(seen)
    return {"all": curve(everyone), "by_plan": {k: curve(by_plan[k]) for k in sorted(by_plan, key=str.encode)},
            "by_cohort": {k: curve(by_cohort[k]) for k in sorted(by_cohort)}}


# ---------------------------------------------------------------- cases

def answers(name, why, csv_text, at, ends_known="at_end", last_day=None, allowed=30):
    """The case with everything that is expected of it; `at` are (day, horizon, gap)."""
    at_start, rows = ends_known == "at_start", known_when_it_goes_on(read(csv_text))
    end_of_data = latest_day(rows, at_start) if last_day is None else number(last_day)
    periods = [p for p in rows if p.start <= end_of_data]
    data = known(periods, end_of_data, at_start)
    case = {"name": name} | ({"why": why} if why else {})
    case["options"] = {"ends_known": ends_known, "last_day": last_day, "allowed_gap_days": allowed}
    case["periods"] = csv_text
    case["last_day"] = text(end_of_data)
    case["at"] = []
    for day, horizon, gap in at:
        c = number(day)
        status = statuses(periods, c, at_start)
        case["at"].append({
            "day": day, "horizon_days": horizon, "gap_days": gap, "status": status,
            "labels": labels(data, status, c, horizon, gap, end_of_data, allowed),
            "features": {k: features(periods, k, c, at_start, allowed) for k, s in status.items() if s != "not_active"}})
    case["movements"] = movements(data, end_of_data, allowed)
    case["retention"] = retention(data, end_of_data, allowed)
    return case


def look(case, path):
    """The value at a path: at/0/features/A/spells, movements/2024-03/customers/churn, ..."""
    value = case
    for step in path.split("/"):
        if isinstance(value, dict):
            value = value[step]
        elif step in FEATURES:
            value = value[FEATURES.index(step)]
        elif "-" in step:
            [value] = [row for row in value if row["month"] == step]
        else:
            value = value[int(step)]
    return value


def worked_curve(steps):
    """A curve worked from (days, at risk, ended), with the interval by its formula; it equals only what agrees to 1e-9."""
    class Close(list):
        def __eq__(self, other):
            same = lambda a, b: a is b if None in (a, b) else math.isclose(a, b, rel_tol=1e-9)
            return len(self) == len(other) and all(same(a, b) for x, y in zip(self, other) for a, b in zip(x, y))

    survival, variance, rows = 1.0, 0.0, Close()
    for day, n, d in steps:
        survival *= 1 - d / n
        if survival > 0:
            variance += d / (n * (n - d))
            width = 1.959963984540054 * math.sqrt(variance) / math.log(survival)
            rows.append([day, n, d, survival, survival ** math.exp(-width), survival ** math.exp(width)])
        else:
            rows.append([day, n, d, 0, None, None])
    return rows


def by_hand():
    cases = []

    def case(name, why, rows, at, worked, **options):
        """`worked`: what has been worked out by hand, as path: value."""
        made = answers(name, why, "\n".join([HEADER, *rows]) + "\n", at, **options)
        for path, value in worked.items():
            assert look(made, path) == value, f"{name}: {path} is {look(made, path)}, by hand {value}"
        cases.append(made)

    # 2024 is a leap year. From 9 February 20 days to the 29th, 51 to 31 March, 52 to 1 April, where A is gone.
    case("cancelled but still running", "active until the day of the cancellation, then already cancelled, gone when the period ends",
         ["A,2024-01-01,2024-04-01,,basic,20,2024-02-10,voluntary,", "B,2024-01-01,,,pro,30,,,"],
         [("2024-02-09", 90, 0), ("2024-02-09", 52, 0), ("2024-02-09", 51, 0), ("2024-02-09", 30, 51), ("2024-02-09", 30, 52),
          ("2024-02-10", 90, 0), ("2024-03-31", 30, 0), ("2024-04-01", 30, 0)],
         {"at/0/status": {"A": "active", "B": "active"}, "at/0/labels": {"A": [1, "voluntary"], "B": [0, None]},
          "at/1/labels/A": [1, "voluntary"], "at/2/labels/A": [0, None],
          "at/3/labels/A": [1, "voluntary"],  # 51 days later is 31 March, and A ends after it
          "at/4/labels/A": [0, None],  # 52 days later is 1 April: the end lies in the gap
          "at/5/status/A": "already_cancelled", "at/5/labels": {"B": [0, None]}, "at/5/features/A/cancelled_subscriptions": 1,
          "at/6/status/A": "already_cancelled", "at/7/status/A": "not_active",
          # Together 50 until the end of March.
          "movements/2024-03/amounts/end": 50, "movements/2024-04/amounts/churn": 20, "movements/2024-04/customers/churn": 1,
          "movements/2024-04/gross_retention": 30 / 50, "movements/2024-04/customer_churn_rate": 0.5},
         last_day="2024-07-31")

    # Ten days after 1 February is the 11th; 45 days after it is 17 March (29 to 1 March, 16 more).
    case("a payment that failed", "back after 10 days nothing has happened, after 45 days it is churn and a reactivation",
         ["ten,2024-01-01,2024-02-01,,,10,,involuntary,", "ten,2024-02-11,,,,10,,,",
          "late,2024-01-01,2024-02-01,,,10,,involuntary,", "late,2024-03-17,,,,10,,,"],
         [("2024-01-15", 30, 0), ("2024-02-05", 30, 0), ("2024-04-01", 30, 0)],
         {"at/0/labels": {"late": [1, "involuntary"], "ten": [0, None]},
          "at/1/status": {"late": "not_active", "ten": "not_active"}, "at/1/labels": {},  # both are in a hole
          # 1 January to 1 April: 31 + 29 + 31 = 91. 17 March to 1 April: 15. 11 February to 1 April: 18 + 31 + 1 = 50.
          "at/2/features/ten/spells": 1, "at/2/features/ten/spell_days": 91, "at/2/features/ten/involuntary_ends": 1,
          "at/2/features/ten/period_days": 50,
          "at/2/features/late/spells": 2, "at/2/features/late/spell_days": 15, "at/2/features/late/customer_days": 91,
          "at/2/features/late/amount_change_30": None,  # 2 March: nothing covered it
          "movements/2024-02/customers/end": 1, "movements/2024-02/customers/churn": 1, "movements/2024-03/customers/reactivation": 1,
          # Seen to the end of 31 May: the first spell of late ended after 31 days, two run on: S = 1 - 1/3.
          "retention/all/0/0": 31, "retention/all/0/1": 3, "retention/all/0/2": 1, "retention/all/0/3": float(Fraction(2, 3))},
         last_day="2024-06-30")

    # 20 + 30 until 1 March, then 20.
    case("one of two contracts ends", "a contraction and no churn; the customer stays active",
         ["A,2024-01-01,,s1,basic,20,,,", "A,2024-01-01,2024-03-01,s2,pro,30,,voluntary,"],
         [("2024-02-01", 90, 0), ("2024-03-30", 30, 0), ("2024-03-31", 30, 0)],
         {"at/0/labels": {"A": [0, None]}, "at/0/features/A/amount": 50, "at/0/features/A/plan": "pro", "at/0/features/A/subscriptions": 2,
          "at/1/features/A/amount": 20, "at/1/features/A/amount_change_30": -30,  # 29 February
          "at/2/features/A/amount_change_30": 0,  # 1 March
          "at/2/features/A/downgrades": 1, "at/2/features/A/days_since_downgrade": 30, "at/2/features/A/plan_changes": 1,
          "at/2/features/A/spell_days": 90, "at/2/features/A/amount_change_90": -30,  # 1 January
          "movements/2024-03/customers": {"start": 1, "new": 0, "expansion": 0, "reactivation": 0, "contraction": 1, "churn": 0, "end": 1},
          "movements/2024-03/amounts/contraction": 30, "movements/2024-03/gross_retention": 0.4, "movements/2024-03/net_retention": 0.4,
          "movements/2024-03/customer_churn_rate": 0, "retention/all": []},
         last_day="2024-08-31")

    # s1 is cancelled and s2 is not: active, and one of two cancelled.
    case("one of two contracts is cancelled", "every period that covers the day must be cancelled; a trial beside it does not count",
         ["A,2024-01-01,2024-05-01,s1,,20,2024-02-01,voluntary,", "A,2024-01-01,2024-06-01,s2,,30,2024-03-01,,",
          "B,2024-01-01,2024-05-01,s1,,20,2024-02-01,voluntary,", "B,2024-01-01,,s2,,0,,,true"],
         [("2024-02-15", 90, 0), ("2024-02-15", 120, 0), ("2024-03-01", 30, 0)],
         {"at/0/status": {"A": "active", "B": "already_cancelled"}, "at/0/features/A/cancelled_subscriptions": 1,
          "at/0/features/B/subscriptions": 1, "at/0/features/B/trials": 1,
          "at/0/labels": {"A": [0, None]},  # 90 days: 15 May
          "at/1/labels": {"A": [1, "other"]},  # s2 ends last, without a reason; 120 days: 14 June
          "at/2/status": {"A": "already_cancelled", "B": "already_cancelled"}},
         last_day="2024-10-31")

    case("never active yet, and trials", "a customer in a trial is not active, and its end is no churn",
         ["later,2024-05-01,,,basic,10,,,", "trial,2024-01-10,2024-01-24,,pro,0,,trial_not_converted,true",
          "converts,2024-01-10,2024-01-24,,pro,0,,involuntary,true", "converts,2024-01-24,,,pro,30,,,"],
         [("2024-01-15", 30, 0), ("2024-01-24", 30, 0), ("2024-02-03", 90, 10)],
         {"at/0/status": {"converts": "not_active", "later": "not_active", "trial": "not_active"}, "at/0/labels": {}, "at/0/features": {},
          "at/1/status": {"converts": "active", "later": "not_active", "trial": "not_active"},
          "at/1/features/converts/customer_days": 0, "at/1/features/converts/spell_days": 0, "at/1/features/converts/upgrades": 0,
          "at/2/labels": {"converts": [0, None]}, "at/2/features/converts/trials": 1, "at/2/features/converts/involuntary_ends": 0,
          "at/2/features/converts/spell_days": 10,
          "movements/0/month": "2024-01", "movements/0/customers/new": 1, "movements/2024-05/customers/new": 1,
          "movements/2024-02/customers/churn": 0},
         last_day="2024-07-15")

    case("trials only", "nobody has a spell: no months, no curves", ["A,2024-01-10,2024-01-24,,pro,0,,trial_not_converted,true"],
         [("2024-01-15", 1, 0)], {"movements": [], "retention": {"all": [], "by_plan": {}, "by_cohort": {}}, "last_day": "2024-01-24"}, allowed=0)

    # 15 January 2023 to 15 January 2024: 365 days. The second year, with 29 February: 366.
    case("an annual payer who stays", "bought twice in two years and never left",
         ["A,2023-01-15,2024-01-15,,year,10,,,", "A,2024-01-15,2025-01-15,,year,10,,,"],
         [("2024-01-10", 90, 0), ("2024-01-15", 90, 0), ("2024-06-15", 30, 10)],
         {"at/0/labels": {"A": [0, None]}, "at/0/features/A/days_to_renewal": 5, "at/0/features/A/term_days": 365,
          "at/0/features/A/period_days": 360,
          "at/1/features/A/days_to_renewal": 366, "at/1/features/A/term_days": 366, "at/1/features/A/period_days": 0,
          "at/1/features/A/spell_days": 365, "at/1/features/A/amount_change_365": 0, "at/1/features/A/upgrades": 0,
          "at/2/features/A/spell_days": 365 + 152,  # 17 to the month's first, 29, 31, 30, 31 and 14
          "at/2/labels": {"A": [0, None]}},
         ends_known="at_start", last_day="2024-12-31")

    case("the end on the day of the cutoff", "the first day without a contract is the day it ended, and it is known on that day",
         ["A,2024-01-01,2024-03-01,,,10,,,"], [("2024-02-29", 30, 0), ("2024-02-29", 30, 1), ("2024-03-01", 30, 0)],
         {"at/0/status/A": "active", "at/0/labels": {"A": [1, "other"]}, "at/1/labels": {"A": [0, None]}, "at/2/status/A": "not_active",
          "at/2/labels": {}, "at/2/features": {}},
         last_day="2024-06-30")

    # 1 January to 1 March: 60 days; 1 September to 1 October: 30; 1 January to 1 October: 274.
    case("back after half a year", "a new spell of the same customer, with the whole history",
         ["A,2024-01-01,2024-02-01,,basic,10,,,", "A,2024-02-01,2024-03-01,,pro,25,,involuntary,", "A,2024-09-01,,,basic,15,,,"],
         [("2024-10-01", 30, 0)],
         {"at/0/features/A": [30, 274, 2, 30, None, None, 1, 0, 15.0, 0.0, None, None, 1, 0, 274 - 31, None, 1, 274 - 31, 1, 0, "basic"],
          # From one spell to the next there is no downgrade: 25 to 15 lies between two spells.
          "movements/2024-03/customers/churn": 1, "movements/2024-03/amounts/churn": 25, "movements/2024-04/gross_retention": None,
          "movements/2024-09/customers/reactivation": 1, "movements/2024-09/amounts/reactivation": 15, "movements/2024-09/customers/new": 0,
          "retention/by_plan": {"basic": worked_curve([(60, 2, 1)])}},
         last_day="2024-12-31")

    # 1 January to 1 May: 121 days; 1 March to 1 May: 61.
    case("another plan", "one ends and another starts: on the same day, or three days later with a hole inside the spell",
         ["same,2024-01-01,2024-03-01,s1,basic,20,,,", "same,2024-03-01,,s2,pro,30,,,",
          "three,2024-01-01,2024-03-01,s1,basic,20,,,", "three,2024-03-04,,s2,pro,30,,,"],
         [("2024-02-15", 30, 0), ("2024-03-02", 30, 0), ("2024-05-01", 30, 0)],
         {"at/0/labels": {"same": [0, None], "three": [0, None]}, "at/1/status": {"same": "active", "three": "not_active"},
          "at/2/features/same": [121, 121, 1, 61, None, None, 1, 0, 30.0, 0.0, 10.0, None, 1, 0, 61, None, 1, 61, 0, 0, "pro"],
          "at/2/features/three": [121, 121, 1, 58, None, None, 1, 0, 30.0, 0.0, 10.0, None, 1, 0, 58, None, 1, 58, 0, 0, "pro"],
          "movements/2024-03/customers/expansion": 2, "movements/2024-03/amounts/expansion": 20,
          "movements/2024-03/net_retention": 1.5, "movements/2024-03/gross_retention": 1},
         last_day="2024-08-31")

    case("known before, on and after the cutoff", "15 February: an end of 1 March that is known since the 14th, the 15th, the 16th; 10 March: one of "
         "1 March that becomes known on the 20th",
         [f"{k},2024-01-01,2024-03-01,,,10,{day},involuntary," for k, day in
          (("before", "2024-02-14"), ("on", "2024-02-15"), ("after", "2024-02-16"), ("later", "2024-03-20"))],
         [("2024-02-15", 30, 0), ("2024-03-10", 30, 0), ("2024-03-20", 30, 0)],
         {"at/0/status": {"after": "active", "before": "already_cancelled", "later": "active", "on": "already_cancelled"},
          "at/0/labels": {"after": [1, "involuntary"], "later": [1, "involuntary"]},
          "at/1/status": {"after": "not_active", "before": "not_active", "later": "active", "on": "not_active"},
          "at/1/labels": {},  # it had ended, though nobody knew it
          "at/1/features/later/involuntary_ends": 0, "at/1/features/later/cancelled_subscriptions": 0, "at/2/status/later": "not_active"},
         last_day="2024-08-31")

    # On 10 March the period of 1 January seems to run: the customer seems active, but is in a hole of 14 days.
    case("in a hole that nobody knew of", "active by what is known, and not labelled, because the period had ended; and afterwards one spell or two",
         ["short,2024-01-01,2024-03-01,,,10,2024-03-20,,", "short,2024-03-15,,,,10,,,",
          "long,2024-01-01,2024-03-01,,,10,2024-06-20,,", "long,2024-05-15,,,,10,,,"],
         [("2024-03-10", 30, 0), ("2024-05-20", 30, 0), ("2024-06-20", 30, 0)],
         {"at/0/status": {"long": "active", "short": "active"}, "at/0/labels": {},
          # As long as the end of 1 March is unknown the two periods of long overlap: one spell.
          "at/1/features/long/spells": 1, "at/1/features/long/subscriptions": 2, "at/1/features/long/amount": 20,
          "at/1/labels": {"long": [0, None], "short": [0, None]},
          "at/1/features/long/upgrades": 1, "at/2/features/long/upgrades": 0,
          "at/2/features/long/spells": 2, "at/2/features/long/subscriptions": 1, "at/2/features/short/spells": 1},
         last_day="2024-10-31")

    # A: terms of 91 days (31 + 29 + 31) to 1 April, B: also one of 60 (1 February to 1 April) and one cancelled that ends earlier.
    case("fixed terms", "every end is known at the start; known_at says only that it is cancelled",
         ["A,2024-01-01,2024-04-01,,q,10,,,", "A,2024-04-01,2024-07-01,,q,10,,,",
          "B,2024-01-01,2024-04-01,s1,q,10,,,", "B,2024-02-01,2024-04-01,s2,q,10,,,", "B,2024-01-01,2024-03-15,s3,q,10,2024-02-10,voluntary,",
          "C,2024-01-01,2024-04-01,,q,10,2024-02-15,voluntary,", "D,2024-01-01,2024-04-01,,q,10,2024-02-16,voluntary,"],
         [("2024-02-15", 30, 0), ("2024-02-15", 60, 0), ("2024-04-01", 90, 0), ("2024-04-01", 91, 0)],
         {"at/0/status": {"A": "active", "B": "active", "C": "already_cancelled", "D": "active"},
          # 15 February to 1 April: 14 + 31 + 1 = 46.
          "at/0/features/A/days_to_renewal": 46, "at/0/features/A/term_days": 91,
          "at/0/features/B/days_to_renewal": 46, "at/0/features/B/term_days": 91, "at/0/features/B/cancelled_subscriptions": 1,
          "at/0/features/C/days_to_renewal": None, "at/0/features/C/term_days": None,
          "at/0/features/D/days_to_renewal": 46,  # not cancelled yet: the term is due as everybody's
          "at/0/labels": {"A": [0, None], "B": [0, None], "D": [0, None]},
          "at/1/labels": {"A": [0, None], "B": [1, "other"], "D": [1, "voluntary"]},
          "at/2/labels": {"A": [0, None]}, "at/3/labels": {"A": [1, "other"]}},  # 1 April + 91 days = 1 July
         ends_known="at_start", last_day="2024-12-31")

    case("the last day of fixed terms", "no end counts for it, only starts and known_at",
         ["A,2024-01-01,2025-01-01,,,10,,,", "B,2024-02-10,2024-09-01,,,5,2024-03-31,,"], [("2024-03-01", 30, 0)],
         {"last_day": "2024-03-31", "movements/2/month": "2024-03", "movements/2/customers/end": 2, "movements/2/provisional": True,
          "at/0/labels": None},
         ends_known="at_start")
    case("the last day", "an end without known_at counts, one with known_at does not, its known_at does",
         ["A,2024-01-01,2024-05-01,,,10,2024-03-31,,", "B,2024-01-01,2024-03-10,,,5,,,", "C,2024-03-15,,,,5,,,"],
         [("2024-02-01", 30, 28), ("2024-02-01", 30, 29), ("2024-02-01", 30, 30)],
         # 59 days after 1 February is 31 March (28 + 31).
         {"last_day": "2024-03-31", "at/0/labels": {"A": [0, None], "B": [1, "other"]}, "at/1/labels": {"A": [0, None], "B": [1, "other"]},
          "at/2/labels": None},
         allowed=0)

    case("the data end early", "what starts after the last day is left out: Z altogether, A's second period too; ends after it are read",
         ["A,2024-01-01,2024-02-01,,,10,,,", "A,2024-02-20,,,,10,,,", "B,2024-01-05,2024-05-01,,,10,2024-01-20,,", "Z,2024-03-01,,,,10,,,"],
         [("2024-01-10", 9, 0), ("2024-01-10", 10, 0), ("2024-02-10", 1, 0)],
         {"last_day": "2024-02-15", "at/0/status": {"A": "active", "B": "active"}, "at/0/labels": {"A": [0, None], "B": [0, None]},
          "at/1/labels": {"A": [0, None], "B": [0, None]}, "at/2/labels": None, "at/2/status": {"A": "not_active", "B": "already_cancelled"},
          "movements/2024-01/customers/end": 2, "movements/2024-01/provisional": True},
         last_day="2024-02-15", allowed=26)
    case("an end that becomes known after the last day", "by the last day nobody knows that A ended on 1 February",
         ["A,2024-01-01,2024-02-01,,,10,2024-09-01,voluntary,", "B,2024-01-01,,,,10,,,"], [("2024-01-15", 30, 0), ("2024-05-31", 30, 0)],
         {"at/0/labels": {"A": [0, None], "B": [0, None]}, "at/1/status": {"A": "active", "B": "active"},
          "movements/2024-02/customers/churn": 0, "retention/all": []},
         last_day="2024-06-30")

    # 1 March + 30 days is 31 March, + 31 days 1 April.
    for allowed, exact, more in ((30, "2024-03-31", "2024-04-01"), (7, "2024-03-08", "2024-03-09"), (0, "2024-03-01", "2024-03-02")):
        case(f"a hole of {allowed} days and one of {allowed + 1}", "the allowed gap itself is no churn, a day more is",
             ["exact,2024-01-01,2024-03-01,,,10,,,", f"exact,{exact},,,,10,,,", "more,2024-01-01,2024-03-01,,,10,,,", f"more,{more},,,,10,,,"],
             [("2024-02-15", 30, 0), ("2024-05-01", 30, 10)],
             {"at/0/labels": {"exact": [0, None], "more": [1, "other"]}, "at/1/features/exact/spells": 1, "at/1/features/more/spells": 2,
              "retention/all": worked_curve([(60, 3, 1)])},
             last_day="2024-10-31", allowed=allowed)

    # Nothing, 10, 10 and nothing, nothing.
    case("missing amounts", "one amount of two is the sum; without one nothing rises or falls, and it is 0 in the sums of months",
         ["A,2024-01-01,,s1,x,,,,", "A,2024-02-01,2024-04-01,s2,y,10,,,", "B,2024-01-01,2024-03-01,,x,10,,,", "B,2024-03-01,,,,,,,"],
         [("2024-01-15", 30, 0), ("2024-03-02", 30, 0), ("2024-04-15", 30, 0)],
         {"at/0/features/A/amount": None, "at/0/features/A/plan": "x", "at/1/features/A/amount": 10, "at/1/features/A/amount_change_30": 0,
          "at/1/features/A/plan": "y", "at/1/features/B/amount": None, "at/1/features/B/amount_change_30": None, "at/1/features/B/plan": None,
          "at/1/features/B/plan_changes": 0, "at/1/features/A/upgrades": 0, "at/1/features/B/downgrades": 0,
          "at/2/features/A/amount": None, "at/2/features/A/amount_change_30": None, "at/2/features/A/plan_changes": 2,
          "movements/2024-01/amounts/end": 10, "movements/2024-02/amounts/expansion": 10, "movements/2024-03/amounts/contraction": 10,
          "movements/2024-04/amounts/contraction": 10, "movements/2024-04/amounts/end": 0, "movements/2024-05/revenue_churn_rate": None,
          "movements/2024-05/customer_churn_rate": 0},
         last_day="2024-07-31")

    # 0.1 + 0.2 are as doubles a little above the double 0.3: 0.1 is 5.55e-18 and 0.2 is 11.1e-18 too large, 0.3 is 11.1e-18 too small.
    case("sums that differ by rounding", "as doubles 0.1 and 0.2 are more than 0.3, but by less than a billionth",
         ["A,2024-01-01,2024-03-01,s1,,0.1,,,", "A,2024-01-01,2024-03-01,s2,,0.2,,,", "A,2024-03-01,,s3,,0.3,,,"], [("2024-03-15", 30, 0)],
         {"at/0/features/A/downgrades": 0, "at/0/features/A/upgrades": 0, "movements/2024-03/customers/contraction": 0},
         last_day="2024-07-31")

    # All end on 1 March. The causes by the rule: the amount, the start, the subscription.
    case("several end on the same day", "the cause is that of the largest amount, then of the latest start, then of the greatest subscription",
         ["amount,2024-01-01,2024-03-01,s1,,30,,voluntary,", "amount,2024-01-10,2024-03-01,s2,,20,,involuntary,",
          "start,2024-01-01,2024-03-01,s2,,20,,voluntary,", "start,2024-01-10,2024-03-01,s1,,20,,involuntary,",
          "subscription,2024-01-01,2024-03-01,b,,20,,voluntary,", "subscription,2024-01-01,2024-03-01,a,,20,,involuntary,",
          "none,2024-01-01,2024-03-01,,,20,,voluntary,", "none,2024-01-01,2024-03-01,a,,20,,other,",
          "last,2024-01-01,2024-02-20,s1,,90,,voluntary,", "last,2024-01-10,2024-03-01,s2,,,,involuntary,",
          "missing,2024-01-10,2024-03-01,s2,,,,voluntary,", "missing,2024-01-01,2024-03-01,s1,,0,,involuntary,"],
         [("2024-02-15", 30, 0)],
         {"at/0/labels": {"amount": [1, "voluntary"], "last": [1, "involuntary"], "missing": [1, "involuntary"], "none": [1, "other"],
                          "start": [1, "involuntary"], "subscription": [1, "voluntary"]}},
         last_day="2024-06-30")

    # In bytes "Z" < "a" < "é".
    case("the plan of several periods", "that of the largest amount, a missing one being the smallest, then of the latest start, "
         "then the greatest in bytes",
         ["amount,2024-01-01,,,small,0,,,", "amount,2024-01-02,,,none,,,,", "start,2024-01-01,,,z,10,,,", "start,2024-01-02,,,a,10,,,",
          "bytes,2024-01-01,,,Z,10,,,", "bytes,2024-01-01,,,a,10,,,", "accent,2024-01-01,,,z,10,,,", "accent,2024-01-01,,,\u00e9,10,,,",
          "lacks,2024-01-01,,,x,5,,,", "lacks,2024-01-01,,,,10,,,"],
         [("2024-02-15", 30, 0)],
         {f"at/0/features/{k}/plan": v for k, v in (("amount", "small"), ("start", "a"), ("bytes", "a"), ("accent", "\u00e9"), ("lacks", None))}
         | {"at/0/features/amount/plan_changes": 0, "at/0/features/start/plan_changes": 1, "at/0/features/start/days_since_plan_change": 44},
         last_day="2024-06-30")

    # Changes of plan: a to b, b to nothing, nothing to a: one. Amounts: 10 to 20 up, 20 to 20, 20 to 5 down.
    case("stretches", "the same amount is no upgrade; a stretch without a plan changes nothing; a hole is skipped",
         ["A,2024-01-01,2024-02-01,,a,10,,,", "A,2024-02-01,2024-03-01,,b,20,,,", "A,2024-03-01,2024-04-01,,,20,,,", "A,2024-04-11,,,a,5,,,"],
         [("2024-05-01", 30, 0)],
         # 1 January to 1 May: 121. From 1 February 90, from 11 April 20. 1 April lies in the hole, 1 February (90 days before) does not.
         {"at/0/features/A": [121, 121, 1, 20, None, None, 1, 0, 5.0, None, -15.0, None, 1, 1, 90, 20, 1, 90, 0, 0, "a"],
          # The end of March is covered; and so are all ends of months.
          "movements/2024-03/amounts/end": 20, "movements/2024-04/amounts/contraction": 15},
         last_day="2024-08-31")

    # The hole from 25 March to 10 April contains the end of March: the amount is that of the stretch before it.
    case("a month that ends in a hole", "there, with the amount from before the hole; in the hole that stays open nobody is there",
         ["A,2024-01-01,2024-03-25,,,20,,,", "A,2024-04-10,2024-06-25,,,30,,,"], [("2024-03-30", 30, 0)],
         {"at/0/status": {"A": "not_active"}, "movements/2024-03/customers/end": 1, "movements/2024-03/amounts/end": 20,
          "movements/2024-04/amounts/expansion": 10, "movements/2024-06/customers/churn": 1, "movements/2024-06/amounts/churn": 30,
          "movements/2024-06/provisional": True},
         last_day="2024-06-30")

    # 30 days after 31 May is 30 June; a day less is provisional.
    for last_day, provisional in (("2024-06-30", False), ("2024-06-29", True)):
        case(f"provisional at {last_day}", "the last day of a month must lie the allowed gap before the last day of the data",
             ["A,2024-04-01,2024-05-31,,,20,,,", "B,2024-04-30,,,,20,,,"], [("2024-05-01", 30, 0), ("2024-05-01", 29, 0)],
             # 1 May + 30 days is 31 May, and 30 more 30 June.
             {"movements/2024-05/provisional": provisional, "movements/2024-04/provisional": False, "movements/2024-05/customers/churn": 1,
              "at/0/labels": None if provisional else {"A": [1, "other"], "B": [0, None]}, "at/1/labels": {"A": [0, None], "B": [0, None]}},
             last_day=last_day)

    # inside: gone and back in March: 20 and 20. early: a spell of January that no end of a month sees, back in March.
    case("within one month", "a month knows only its ends: gone and back is nothing or the difference; a first spell that no end of a month "
         "saw still makes the second a reactivation",
         ["inside,2024-01-01,2024-03-05,,,20,,,", "inside,2024-03-20,,,,25,,,", "early,2024-01-03,2024-01-20,,,10,,,", "early,2024-03-10,,,,10,,,",
          "twice,2024-02-02,2024-02-05,,,10,,,", "twice,2024-02-20,,,,40,,,"],
         [("2024-03-10", 30, 0)],
         {"movements/2024-01/customers": {"start": 0, "new": 1, "expansion": 0, "reactivation": 0, "contraction": 0, "churn": 0, "end": 1},
          "movements/2024-02/customers/new": 1, "movements/2024-02/amounts/new": 40, "movements/2024-02/customers/reactivation": 0,
          "movements/2024-03/customers": {"start": 2, "new": 0, "expansion": 1, "reactivation": 1, "contraction": 0, "churn": 0, "end": 3},
          "movements/2024-03/amounts": {"start": 60, "new": 0, "expansion": 5, "reactivation": 10, "contraction": 0, "churn": 0, "end": 75}},
         last_day="2024-06-30", allowed=7)

    # Seen to the end of 31 May. a ends on it: 31 days from 30 April. b ends on 1 June: covers it, at least 32 days. c starts on it: 1 day.
    # d starts on 1 June and does not count. n = 3, of which c has lasted 1 day: at 31 days n = 2, d = 1, S = 1/2.
    case("the edge of the curve", "an end on the last day that is seen counts, one the day after has lasted at least so long",
         ["a,2024-04-30,2024-05-31,,p,1,,,", "b,2024-04-30,2024-06-01,,p,1,,,", "c,2024-05-31,,,q,1,,,", "d,2024-06-01,2024-06-02,,q,1,,,"],
         [("2024-05-30", 1, 0)], {"retention/all": worked_curve([(31, 2, 1)]), "retention/by_plan/q": [], "retention/by_cohort/2024-05": []},
         last_day="2024-06-30")

    # 10, 20, 20, 30 days and one that runs on, of 26: 4/5, then 2 of 4: 2/5, then 1 of 1: 0.
    case("a curve down to 0", "two end on the same day; where nobody is left there is no interval",
         ["a,2024-01-01,2024-01-11,,p,1,,,", "b,2024-01-01,2024-01-21,,p,1,,,", "c,2024-01-01,2024-01-21,,q,1,,,", "d,2024-01-01,2024-01-31,,q,1,,,",
          "e,2024-01-06,,,q,1,,,"],
         [("2024-01-05", 7, 0)],
         {"retention/all": worked_curve([(10, 5, 1), (20, 4, 2), (30, 1, 1)]), "retention/by_plan/p": worked_curve([(10, 2, 1), (20, 1, 1)]),
          "retention/all/2/3": 0, "retention/all/2/4": None, "retention/all/2/5": None,
          "at/0/labels": {"a": [1, "other"], "b": [0, None], "c": [0, None], "d": [0, None]}},
         last_day="2024-01-31", allowed=0)
    return cases


def random_rows(rng, customers, days, allowed, at_start):
    """Rows of customers with up to six periods each, which start within so many days: mostly one after another, with holes around the
    allowed gap, some side by side."""
    start_of_all, rows = number("2022-01-01"), []
    plans, reasons = ["basic", "pro", "Zed", "\u00e9lan", ""], ["voluntary", "involuntary", "other", ""]
    for i in range(customers):
        start = start_of_all + rng.randrange(0, days // 2)
        for k in range(rng.randrange(0, 7)):
            if start > start_of_all + days:
                break
            trial = rng.random() < (0.3 if k == 0 else 0.05)
            length = rng.choice([7, 14]) if trial else rng.choice([1, 10, 28, 30, 31, 60, 90, 92, 181] + [365] * at_start)
            end = None if rng.random() < 0.15 else start + length
            known_at, reason = None, ""
            if end is not None:
                if rng.random() < 0.6:
                    known_at = max(start, end + rng.choice([-90, -60, -60, -30, -30, -20, -10, -5, -1, 0, 0, 1, 5, 20, 40]))
                reason = rng.choice(["", "trial_not_converted"] if trial else reasons)
            # Multiples of a quarter and prices that are no doubles; a missing one beside 0.
            amount = "0" if trial else rng.choice(["", "0", "5", "10", "10", "20", "12.25", "9.99", "29.9", "49.95"])
            subscription = "" if rng.random() < 0.3 else f"s{k}"
            rows.append(",".join([f"c{i:02}", text(start), text(end) if end else "", subscription, rng.choice(plans), amount,
                                  text(known_at) if known_at else "", reason, "true" if trial else rng.choice(["", "false"])]))
            if end is None or rng.random() < 0.25:  # the next one runs beside it
                start += rng.randrange(0, length + 1)
            else:
                start = end + rng.choice([0, 0, 0, 1, 3, max(allowed - 1, 0), allowed, allowed + 1, 45, 150])
    rng.shuffle(rows)
    return rows


def at_random():
    cases = []
    for i in range(40):
        rng = random.Random(1000 + i)
        ends_known, allowed = ("at_end", "at_start")[i % 2], (0, 7, 30)[i // 2 % 3]
        rows = random_rows(rng, rng.randrange(5, 26), 600 if i % 10 == 3 else 250, allowed, ends_known == "at_start")
        csv_text = "\n".join([HEADER, *rows]) + "\n"
        periods = read(csv_text)
        last_day = latest_day(periods, ends_known == "at_start")
        given = rng.random() < 0.5
        if given:
            last_day += rng.choice([-60, -10, -1, 0, 15, 40])
        marks = sorted({d for p in periods for d in (p.start, p.end, p.known_at) if d is not None and d < last_day - 40})
        at = []
        for which in range(3):
            horizon, gap = rng.choice([30, 90]), rng.choice([0, 10])
            latest = last_day - (0 if which == 2 else gap + horizon + allowed)
            near = rng.choice(marks[len(marks) // 4:]) + rng.choice([-1, 0, 0, 1])
            c = near if rng.random() < 0.7 else rng.randrange(last_day - 300, last_day + 1)
            at.append((text(min(c, latest)), horizon, gap))
        cases.append(answers(f"random {i}", "", csv_text, at, ends_known, text(last_day) if given else None, allowed))
    return cases


def document():
    hand, drawn = by_hand(), at_random()
    cases = hand + drawn
    assert len({case["name"] for case in cases}) == len(cases)
    at = [a for case in cases for a in case["at"]]
    labelled = [label for a in at for label in (a["labels"] or {}).values()]
    curves = [c for r in (case["retention"] for case in cases) for c in (r["all"], *r["by_plan"].values(), *r["by_cohort"].values())]
    return {
        "source": "The sentences of docs/subscriptions.md taken a day at a time, in exact fractions rounded once to f64; intervals of the "
                  "curves: compared with lifelines 0.30.3. The first cases are worked by hand. See oracle_subscriptions.py. Agree to 1e-9 relative, "
                  "1e-12 absolute.",
        "columns": {"features": FEATURES, "labels": ["churned", "cause"],
                    "retention": ["days", "at_risk", "ended", "survival", "low", "high"]},
        "counts": {"cases": len(cases), "by_hand": len(hand), "random": len(drawn), "days": len(at),
                   "days_without_labels": sum(a["labels"] is None for a in at), "statuses": sum(len(a["status"]) for a in at),
                   "features": sum(len(a["features"]) for a in at), "labels": len(labelled),
                   "churned": sum(churned for churned, _ in labelled), "months": sum(len(case["movements"]) for case in cases),
                   "curves": len(curves), "curve_rows": sum(map(len, curves))},
        "cases": cases}


if __name__ == "__main__":
    main({"subscriptions": document})
