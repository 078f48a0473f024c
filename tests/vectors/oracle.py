"""Writes the test vectors of this folder (all but rfm.json and those of oracle_money.py and oracle_explain.py).

    python tests/vectors/oracle.py            rewrite the files
    python tests/vectors/oracle.py --check    compare the files with what would be written; exit 1 if they differ

Every expected value comes from something other than the library under test: exact fractions, 50-digit
decimals, numpy, scikit-learn, or an answer worked by hand and written beside its case. Random data come
from `random.Random`, whose stream does not change between versions. Needs numpy and scikit-learn.
One file, and long, because most of it is cases.
"""
import base64
import csv
import io
import json
import math
import random
import statistics
import sys
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal, getcontext
from fractions import Fraction
from pathlib import Path

import numpy as np
from sklearn import metrics as sk
from sklearn.linear_model import LogisticRegression

HERE = Path(__file__).resolve().parent
HEADER = "customer_id,event_date,amount,event_type"
getcontext().prec = 50


def log(*rows, header=HEADER):
    return "\n".join((header,) + rows) + "\n"


def events(text):
    """Rows of a well-formed log: (customer, day, amount as written or None, type or None)."""
    return [(r["customer_id"], date.fromisoformat(r["event_date"]), r.get("amount") or None, r.get("event_type") or None)
            for r in csv.DictReader(io.StringIO(text))]


# ---------------------------------------------------------------- behavioral.json

def behavioral(text, as_of):
    """The features of the behavioral set beyond the eight of rfm; each is rounded to a float once."""
    seen = [(c, (as_of - d).days, d, a, t) for c, d, a, t in events(text) if d <= as_of]
    by_type = Counter(t for *_, t in seen if t)
    top = sorted(by_type, key=lambda t: (-by_type[t], t.encode()))[:8]
    this_month = as_of.year * 12 + as_of.month
    expected = {}
    for customer in sorted({e[0] for e in seen}, key=str.encode):
        own = [e[1:] for e in seen if e[0] == customer]
        ages = [age for age, *_ in own]
        amounts = [(age, a) for age, _, a, _ in own if a is not None]
        f = expected[customer] = {}
        for w in (7, 30, 90, 180, 365):
            f[f"count_{w}d"] = sum(age < w for age in ages)
        for w in (7, 30, 90, 180, 365):
            f[f"amount_{w}d"] = float(sum(Fraction(a) for age, a in amounts if age < w))
        for h in (7, 30, 90, 180):
            f[f"decayed_count_{h}d"] = float(sum(Decimal(2) ** (Decimal(-age) / h) for age in ages))
        for h in (7, 30, 90, 180):
            f[f"decayed_amount_{h}d"] = float(sum(Decimal(a) * Decimal(2) ** (Decimal(-age) / h) for age, a in amounts))
        months = {this_month - (d.year * 12 + d.month) for _, d, _, _ in own}
        f["active_months"] = sum(m < 64 for m in months)
        f["largest_amount"] = float(max(Fraction(a) for _, a in amounts)) if amounts else None
        f["refund_count"] = sum(Fraction(a) < 0 for _, a in amounts)
        f["refund_share"] = float(Fraction(f["refund_count"], len(amounts))) if amounts else 0
        f["days_since_first"], f["days_since_last"] = max(ages), min(ages)
        before = sum(30 <= age < 120 for age in ages)
        f["count_ratio_30d_90d"] = float(Fraction(f["count_30d"], before)) if before else None
        for t in top:
            f[f"event_type={t}"] = sum(own_type == t for *_, own_type in own)
        f["event_type_other"] = sum(own_type not in top for *_, own_type in own)
    return list(next(iter(expected.values()))), expected


def random_log():
    rng, day = random.Random(20240601), date(2024, 6, 1)
    types = ["purchase", "login", "support", "visit", "refund", "review", "share", "invite", "search", "export", ""]
    rows = []
    for i in range(60):
        pace = rng.choice([3, 12, 40, 150])
        age = -rng.randrange(0, 20)
        for _ in range(rng.randrange(1, 16)):
            kind = rng.choices(types, weights=[30, 25, 12, 9, 6, 5, 4, 4, 3, 2, 6])[0]
            amount = "" if kind in ("login", "visit") or rng.random() < 0.1 else f"{rng.randrange(100, 20000) / 100:.2f}"
            rows.append(f"C{i:02},{day - timedelta(age)},{'-' if kind == 'refund' and amount else ''}{amount},{kind}")
            age += rng.randrange(0, 2 * pace)
    rng.shuffle(rows)
    return log(*rows)


def behavioral_cases():
    d = date(2024, 6, 30)

    def ago(*rows):  # rows written as (customer, days before 2024-06-30, the rest)
        return log(*(f"{c},{d - timedelta(age)},{rest}" for c, age, rest in rows))

    edges = [6, 7, 29, 30, 89, 90, 179, 180, 364, 365]
    ranked = {"t1": 5, "Zed": 4, "apple": 4, "\u00e9clair": 3, "t5": 3, "t6": 3, "t7": 2, "other": 2, "b": 1, "a": 1, "": 6}
    months = [f"ALL,{y}-{m:02}-15,1,p" for y in range(2018, 2025) for m in range(1, 13) if (y, m) <= (2024, 2)]
    whys = [
        ("window edges", "day D-w+1 is in the last w days, D-w is not: one customer per edge, and one with them all", d,
         ago(*((f"D-{age:03}", age, f"{2 ** i},p") for i, age in enumerate(edges)),
             *(("all", age, f"{2 ** i},p") for i, age in enumerate(edges)))),
        ("ratio edges", "30 days against the 90 before them: days D-30 and D-119 are in the divisor, D-29 and D-120 are not; "
         "a divisor of 0 is missing, not infinite", d,
         ago(("A", 29, "1,p"), ("A", 30, "1,p"), ("B", 119, "1,p"), ("B", 0, "1,p"), ("B", 3, "1,p"), ("C", 120, "1,p"),
             ("C", 0, "1,p"), ("D", 60, "1,p"), ("E", 300, "1,p"), ("F", 2, "1,p"), ("F", 31, "1,p"), ("F", 32, "1,p"),
             ("F", 33, "1,p"))),
        ("refunds and missing amounts", "an absent amount is neither 0 nor a refund; -0 is no refund; a customer of refunds "
         "only has a negative largest amount; 0.10 + 0.20 rounds once", d,
         ago(("A", 1, "100,p"), ("A", 2, "-40,refund"), ("A", 3, ",login"), ("B", 5, "-30,refund"), ("B", 9, "-12.5,refund"),
             ("C", 4, ",login"), ("C", 40, ",login"), ("D", 1, "-0,p"), ("D", 1, "0,p"), ("E", 0, "0.10,p"),
             ("E", 0, "0.20,p"), ("F", 10, "12.50,p"), ("F", 100, "-12.50,refund"), ("F", 101, "1e3,p"))),
        ("event types", "eight types by frequency, ties by bytes: 'Zed' before 'apple', 'other' before 't7', and "
         "'t6' before an e with an accent; 'a' and 'b' come ninth and tenth; events without a type are the most frequent "
         "and stay in other; a type that is called other has its own column; types after as_of are not ranked", d,
         ago(*((f"C{(i + n) % 3}", i, f",{t}") for n, (t, k) in enumerate(ranked.items()) for i in range(k)),
             *(("C0", -1, ",b") for _ in range(9)))),
        ("no event_type column", "all events are other", d,
         log("A,2024-06-30,5", "A,2024-06-01,5", "B,2024-06-30,", header="customer_id,event_date,amount")),
        ("event_type column without a type", "the same as no column", d, ago(("A", 0, "5,"), ("A", 29, "5,"), ("B", 400, ","))),
        ("only the required columns", "no amounts at all: sums are 0, the largest is missing", d,
         log("A,2024-06-30", "A,2024-01-01", header="customer_id,event_date")),
        ("active months", "months, not 30-day spans: the last of January and the first of February are two; a January is not "
         "last year's January; 64 months end with the month of D, so 2018-11 is in and 2018-10 is out; ALL has 74", date(2024, 2, 29),
         log("A,2024-01-31,1,p", "A,2024-02-01,1,p", "B,2023-12-31,1,p", "B,2024-01-01,1,p", "C,2023-01-10,1,p", "C,2024-01-10,1,p",
             "C,2024-01-11,1,p", "D,2018-11-01,1,p", "E,2018-10-31,1,p", "F,2018-10-31,1,p", "F,2018-11-30,1,p", "G,1969-12-31,1,p",
             "G,2024-02-29,1,p", *months)),
        ("leap day", "2024-02-29 is a day of the windows: A and B are 6 and 7 days back, the last 365 days start on 2023-03-03",
         date(2024, 3, 1), log("A,2024-02-24,1,p", "B,2024-02-23,2,p", "C,2024-02-29,4,p", "D,2023-03-03,8,p", "E,2023-03-02,16,p",
                               "F,2023-03-01,32,p")),
        ("the future is not seen", "rows after D change nothing, and a customer with no others does not exist; repeated rows count "
         "each time", date(2024, 1, 3),
         log("A,2024-01-03,10,p", "A,2024-01-04,999,q", "A,2024-01-03,10,p", "B,2024-01-04,5,q", "C,2023-12-31,7,r", "C,2024-02-01,-7,r",
             "A,2024-01-03,10,p")),
        ("sixty customers, shuffled", "random histories in random order, ten types and some events without one", date(2024, 6, 1),
         random_log()),
    ]
    cases = []
    for name, why, as_of, text in whys:
        names, expected = behavioral(text, as_of)
        cases.append({"name": name, "why": why, "csv": text, "as_of": str(as_of), "names": names, "expected": expected})
    by_name = {c["name"]: c for c in cases}
    # The answers that are easiest to get wrong, once more by hand.
    assert by_name["event types"]["names"][25:] == [f"event_type={t}" for t in (
        "t1", "Zed", "apple", "t5", "t6", "\u00e9clair", "other", "t7")] + ["event_type_other"]
    got = by_name["active months"]["expected"]
    assert [got[c]["active_months"] for c in ("A", "B", "C", "D", "E", "F", "G", "ALL")] == [2, 2, 2, 1, 0, 1, 1, 64]
    got = by_name["ratio edges"]["expected"]
    assert [got[c]["count_ratio_30d_90d"] for c in "ABCDEF"] == [1, 2, None, 0, None, 1 / 3]
    got = by_name["window edges"]["expected"]["all"]
    assert [got[f"count_{w}d"] for w in (7, 30, 90, 180, 365)] == [1, 3, 5, 7, 9] and got["amount_365d"] == 511
    return {"note": "Features of the behavioral set after the eight of rfm, in the order of names; null is missing. Fractions and "
            "50-digit decimals, rounded once to f64. Agree to 1e-9 relative, 1e-12 absolute.", "cases": cases}


# ---------------------------------------------------------------- labels.json

def window_labels(text, cutoff, horizon_days, gap_days, active_within_days, event_types):
    rows = events(text)
    days = [d for _, d, *_ in rows]
    end = cutoff + timedelta(gap_days + horizon_days)
    if end > max(days) or cutoff < min(days):
        return "cutoff_outside_data"
    last = {c: max(d for k, d, *_ in rows if k == c and d <= cutoff) for c in {k for k, d, *_ in rows if d <= cutoff}}
    if active_within_days is not None:
        last = {c: d for c, d in last.items() if (cutoff - d).days < active_within_days}
    back = {c for c, d, _, t in rows if cutoff + timedelta(gap_days) < d <= end and (event_types is None or t in event_types)}
    return {c: int(c not in back) for c in last}


def labels_cases():
    cases = []

    def case(name, why, text, definition, cutoff, answer):
        """`answer` is worked by hand, as "A0 B1" or an error code, and must be what the definition gives."""
        by_hand = {w[:-1]: int(w[-1]) for w in answer.split()} if answer[-1].isdigit() else answer
        if definition["kind"] == "outcome_window" and answer != "bad_rows":
            got = window_labels(text, cutoff, *list(definition.values())[1:])
            assert got == by_hand, (name, got)
        if definition["kind"] == "inactivity":
            last = {}
            for c, d, *_ in events(text):
                if d <= cutoff:
                    last[c] = max(d, last.get(c, d))
            assert by_hand == {c: int((cutoff - d).days >= definition["threshold_days"]) for c, d in last.items()}, name
        c = {"name": name, "why": why, "csv": text, "definition": definition}
        if cutoff:
            c["cutoff"] = str(cutoff)
        c["error" if isinstance(by_hand, str) else "expected"] = by_hand
        cases.append(c)

    def window(horizon, gap=0, active=None, types=None):
        return {"kind": "outcome_window", "horizon_days": horizon, "gap_days": gap, "active_within_days": active, "event_types": types}

    d = date(2024, 1, 10)
    base = [f"{c},2024-01-{day:02},1,p" for c, day in zip("ABCDEF", (10, 1, 9, 5, 10, 2))]
    after = ["B,2024-01-11,1,p", "C,2024-01-20,1,p", "D,2024-01-21,1,p", "E,2024-01-10,1,p", "Z,2024-01-12,1,p"]
    edges = log(*base, *after)
    case("window edges", "an event on the cutoff is the past (A, E), cutoff+1 (B) and cutoff+10 (C) are the window, cutoff+11 (D) "
         "is after it; Z comes later and is no customer yet", edges, window(10), d, "A1 B0 C0 D1 E1 F1")
    case("the log ends with the window", "cutoff + horizon is the last day: the window is wholly inside", edges, window(11), d,
         "A1 B0 C0 D0 E1 F1")
    case("the log ends a day too early", "one day short is refused, not guessed", edges, window(12), d, "cutoff_outside_data")
    case("the gap counts too", "horizon 8 would fit, gap 4 and horizon 8 do not", edges, window(8, gap=4), d, "cutoff_outside_data")
    case("cutoff before the log", "the window is inside the data, but nobody has a past", edges, window(5), date(2023, 12, 31),
         "cutoff_outside_data")
    case("cutoff on the first day", "the earliest cutoff that can be answered: one customer", edges, window(8), date(2024, 1, 1), "B1")
    case("gap edges", "gap 3, horizon 5: cutoff+3 (A) is in the gap, +4 (B) and +8 (C) are in the window, +9 (D) is after it",
         log(*base, "A,2024-01-13,1,p", "B,2024-01-14,1,p", "C,2024-01-18,1,p", "D,2024-01-19,1,p"), window(5, gap=3), d,
         "A1 B0 C0 D1 E1 F1")
    past = ["A,2024-05-01,1,p", "B,2024-04-02,1,p", "C,2024-04-01,1,p", "C,2024-05-20,1,p", "D,2020-01-01,1,p", "D,2024-05-03,,login"]
    case("activity edges", "active 30: cutoff-29 (B) is active, cutoff-30 (C) is not, though it comes back", log(*past, "E,2024-05-31,1,p"),
         window(30, active=30), date(2024, 5, 1), "A1 B1")
    case("no activity filter", "null keeps every customer with a past", log(*past, "E,2024-05-31,1,p"), window(30), date(2024, 5, 1),
         "A1 B1 C0 D0")
    case("activity of 365 days over a leap day", "2024-01-01 is 365 days before 2024-12-31, 2024-01-02 is 364",
         log("A,2024-01-01,1,p", "B,2024-01-02,1,p", "C,2024-12-31,1,p", "C,2025-03-31,1,p"), window(90, active=365), date(2024, 12, 31),
         "B1 C0")
    case("window over a leap day", "30 days after 2024-02-01 is 2024-03-02",
         log("A,2024-02-01,1,p", "B,2024-02-01,1,p", "A,2024-03-02,1,p", "B,2024-03-03,1,p"), window(30), date(2024, 2, 1), "A0 B1")
    typed = log("A,2024-01-01,1,purchase", "A,2024-01-12,,login", "B,2024-01-01,1,purchase", "B,2024-01-12,5,purchase",
                "C,2024-01-09,,login", "C,2024-01-15,5,order", "D,2024-01-01,1,purchase", "D,2024-01-15,5,", "E,2024-01-10,,",
                "F,2023-01-01,5,purchase", "F,2024-01-05,,login", "F,2024-01-20,,login")
    case("event types", "a login (A, F) or an event without a type (D) is no return when purchases and orders are",
         typed, window(10, types=["purchase", "order"]), d, "A1 B0 C0 D1 E1 F1")
    case("activity is of any type", "C, E and F are active within 6 days by a login or an event without a type",
         typed, window(10, active=6, types=["purchase"]), d, "C1 E1 F1")
    case("repeated rows in any order", "the same rows, many times and backwards, give the same labels",
         log(*(base + after)[::-1], *base, *after, *after), window(10), d, "A1 B0 C0 D1 E1 F1")
    idle = {"kind": "inactivity", "threshold_days": 30}
    case("inactivity, threshold met exactly", "30 quiet days (B) is churned, 29 (C) is not; A's return and Z lie after D",
         log("A,2024-01-01,1,p", "A,2024-05-02,1,p", "B,2024-04-01,1,p", "C,2024-04-02,1,p", "D,2024-05-01,1,p", "D,2023-01-01,1,p",
             "Z,2024-05-03,1,p"), idle, date(2024, 5, 1), "A1 B1 C0 D0")
    case("inactivity after the log", "D may lie after the last day: nobody is seen for 30 days", edges, idle, date(2024, 6, 1),
         "A1 B1 C1 D1 E1 F1 Z1")
    labelled = "customer_id,event_date,churn_label"
    case("provided", "one value per customer, however often it is repeated; C has none and is left out",
         log("A,2024-01-01,1", "A,2024-01-02,1", "B,2024-01-01,0", "B,2024-01-05,", "C,2024-01-03,", header=labelled),
         {"kind": "provided"}, None, "A1 B0")
    case("provided, without the column", "there is nothing to provide", edges, {"kind": "provided"}, None, "missing_labels")
    case("provided, contradicting itself", "A is both", log("A,2024-01-01,1", "A,2024-01-02,0", header=labelled), {"kind": "provided"},
         None, "bad_rows")
    case("bad rows", "a log that cannot be read has no labels", log("A,2024-01-01,1,p", "A,2024-02-30,1,p", "B,2024-03-01,1,p"),
         window(10), d, "bad_rows")
    return {"note": "Churn labels, 1 = churned; a customer that is not listed has no label. definition.kind is outcome_window, "
            "inactivity (cutoff is the day D) or provided. Worked by hand; windows and inactivity are recomputed.", "cases": cases}


# ---------------------------------------------------------------- metrics.json

def evaluation(y, p):
    y, p = np.array(y), np.array(p, dtype=float)
    n, hat = len(y), (p >= 0.5).astype(int)
    tn, fp, fn, tp = (int(v) for v in sk.confusion_matrix(y, hat, labels=[0, 1]).ravel())
    assert fp != fn, "a case where they agree cannot tell precision from recall"
    # Equal-mass bins may cut through a run of equal p; the mean of the run keeps row order out of the result.
    shared = np.array([y[p == v].mean() for v in p])
    order = np.argsort(p, kind="stable")
    bins = [b for b in np.array_split(order, 10) if len(b)]
    ece = math.fsum(len(b) / n * abs(p[b].mean() - shared[b].mean()) for b in bins)
    # Rows tied at the boundary of the top tenth share the places that are left.
    k = -(-n // 10)
    bound = sorted(p, reverse=True)[k - 1]
    above, tied = y[p > bound], y[p == bound]
    caught = int(above.sum()) + Fraction(k - len(above), len(tied)) * int(tied.sum())
    if n <= 100:  # the meaning of AUC: pairs in the right order, ties half
        pairs = [Fraction(int(a > b) * 2 + int(a == b), 2) for a in p[y == 1] for b in p[y == 0]]
        assert math.isclose(sum(pairs) / len(pairs), sk.roc_auc_score(y, p), rel_tol=1e-12, abs_tol=1e-15)
    result = {
        "n": n, "base_rate": y.mean(), "accuracy": sk.accuracy_score(y, hat), "precision": sk.precision_score(y, hat, zero_division=0),
        "recall": sk.recall_score(y, hat, zero_division=0), "specificity": sk.recall_score(y, hat, pos_label=0, zero_division=0),
        "f1": sk.f1_score(y, hat, zero_division=0), "roc_auc": sk.roc_auc_score(y, p), "pr_auc": sk.average_precision_score(y, p),
        "log_loss": sk.log_loss(y, np.clip(p, 1e-15, 1 - 1e-15)), "brier": sk.brier_score_loss(y, p), "ece": ece,
        "lift_10": caught / k / Fraction(int(y.sum()), n)}
    return {k: v if isinstance(v, int) else float(v) for k, v in result.items()} | {"tp": tp, "fp": fp, "tn": tn, "fn": fn}


def metrics_cases():
    rng = random.Random(7)

    def drawn(n, digits, bend=1.0, shift=0.0):
        """Probabilities with `digits` decimals and outcomes drawn at `bend * p + shift`, so miscalibrated unless 1 and 0."""
        p = [round(rng.betavariate(1.2, 2), digits) for _ in range(n)]
        return [int(rng.random() < bend * v + shift) for v in p], p

    ties = [0, 0, 1, 0, 0, 1, 0, 1, 1, 0] * 4, [0.1, 0.1, 0.1, 0.3, 0.3, 0.3, 0.3, 0.5, 0.8, 0.5] * 4
    up, down = math.nextafter(0.5, 1), math.nextafter(0.5, 0)
    data = [
        ("six rows by hand", "predicted 0,0,1,1,1,1: precision 1/2 and recall 2/3, not the other way round", [0, 1, 1, 0, 1, 0],
         [0.1, 0.4, 0.6, 0.7, 0.8, 0.9]),
        ("two rows", "the smallest sample with both classes", [0, 1], [0.6, 0.7]),
        ("perfect order", "AUC 1 although two are wrong at 0.5", [0, 0, 0, 0, 1, 1], [0.1, 0.2, 0.55, 0.6, 0.7, 0.9]),
        ("reversed order", "AUC 0", [1, 1, 0, 0, 0], [0.1, 0.2, 0.6, 0.7, 0.8]),
        ("all 0.5", "0.5 predicts churn; AUC is 1/2, PR-AUC the base rate, lift 1", [0, 1, 0, 0, 1, 0, 0], [0.5] * 7),
        ("all 0.2", "nobody is predicted: precision, recall and F1 are 0", [0, 1, 0, 0, 1, 0, 0], [0.2] * 7),
        ("everybody is predicted", "specificity is 0", [0, 1, 0, 1, 1], [0.9, 0.8, 0.7, 0.95, 0.6]),
        ("certain, and sometimes wrong", "p of exactly 0 and 1: the log-loss is finite", [0, 1, 1, 0, 1, 0, 1, 1], [0, 1, 0, 0, 1, 1, 0, 1]),
        ("neighbours of 0.5", "p >= 0.5 is the rule, to the bit", [1, 0, 1, 0, 1, 0, 0], [down, down, 0.5, 0.5, up, up, 0.5]),
        ("eleven rows", "the top tenth is ceil(1.1) = 2 rows; the first bin has two rows", [0, 0, 1, 0, 0, 0, 1, 0, 1, 1, 0],
         [0.05, 0.1, 0.15, 0.2, 0.3, 0.35, 0.4, 0.45, 0.65, 0.75, 0.85]),
        ("ties at the boundary of the top tenth", "k = 3: one row above, five tied rows of which two churned share two places",
         [1] + [1, 0, 0, 1, 0] + [0, 1, 0, 0] * 4 + [0, 0, 1], [0.9] + [0.8] * 5 + [0.1 + i / 100 for i in range(19)]),
        ("heavy ties", "four values for forty rows", *ties),
        ("heavy ties, other order", "the same rows backwards give the same numbers", ties[0][::-1], ties[1][::-1]),
        ("rare", "three churners among two hundred, one of them in the top tenth", [int(i in (135, 150, 190)) for i in range(200)],
         [round((i * 37 % 200) / 400 + 0.0125, 4) for i in range(200)]),
        ("fifty", "random, too high throughout", *drawn(50, 4, 0.6)),
        ("two hundred and thirty-seven", "random with one decimal: ties across most bins, bins of unequal size", *drawn(237, 1, 0.7, 0.2)),
        ("a thousand", "random, well calibrated", *drawn(1000, 4)),
    ]
    cases = [{"name": a, "why": b, "y": y, "p": p, "expected": evaluation(y, p)} for a, b, y, p in data]
    hand, tied = cases[0]["expected"], cases[10]["expected"]
    assert (hand["precision"], hand["recall"], hand["tp"], hand["fp"], hand["tn"], hand["fn"]) == (1 / 2, 2 / 3, 2, 2, 1, 1)
    assert math.isclose(hand["roc_auc"], 4 / 9) and hand["lift_10"] == 0  # by p: 0 1 1 0 1 0, so 4 of 9 pairs; the top row is no churner
    assert math.isclose(tied["lift_10"], (1 + 2 * 2 / 5) / 3 / (8 / 25))
    pairs = zip(cases[11]["expected"].values(), cases[12]["expected"].values())
    assert all(math.isclose(a, b, rel_tol=1e-12) for a, b in pairs)
    bad = [("lengths differ", [0, 1, 1], [0.5, 0.5], "shape_mismatch"), ("no probabilities", [0, 1], [], "shape_mismatch"),
           ("NaN", [0, 1, 1], [0.5, None, 0.7], "invalid_probability"), ("below 0", [0, 1, 1], [0.5, -1e-9, 0.7], "invalid_probability"),
           ("above 1", [0, 1, 1], [0.5, 1.0000001, 0.7], "invalid_probability"), ("only churners", [1, 1], [0.2, 0.9], "one_class"),
           ("no churner", [0, 0, 0], [0.2, 0.9, 0.4], "one_class"), ("empty", [], [], "too_few_rows")]
    return {"note": "Evaluation of probabilities p against outcomes y, by scikit-learn; ece, lift_10 and conventions: see README.md. "
            "In errors, a p of null stands for NaN. Agree to 1e-9 relative, 1e-12 absolute.", "cases": cases,
            "errors": [dict(zip(("name", "y", "p", "error"), e)) for e in bad]}


# ---------------------------------------------------------------- segments.json

def segments_cases():
    names = ("Low", "Medium", "High", "Critical")
    cases, tables = [], []
    for limits in (None, (0.2, 0.4, 0.9), (0.1, math.nextafter(0.1, 1), 0.5)):
        cuts = limits or (0.3, 0.5, 0.7)
        given = {"thresholds": dict(zip(("medium", "high", "critical"), limits))} if limits else {}
        for i, t in enumerate(cuts):  # a threshold opens the band above it; two may be neighbours
            near = {math.nextafter(t, 0): names[i], t: names[i + 1], math.nextafter(t, 1): names[i + 1]}
            cases += [{"p": p, "segment": s} | given for p, s in near.items() if p not in cuts or p == t]
        cases += [{"p": 0, "segment": "Low"} | given, {"p": 1, "segment": "Critical"} | given]
    cases += [{"p": p, "segment": s} for p, s in ((0.15, "Low"), (0.4, "Medium"), (0.6, "High"), (0.85, "Critical"), (5e-324, "Low"))]

    def table(name, why, y, p, cuts=(0.3, 0.5, 0.7)):
        ends, rows = (0, *cuts, 1), []
        for i, s in enumerate(names):
            own = [(a, b) for a, b in zip(y, p) if ends[i] <= b and (b < ends[i + 1] or i == 3)]
            k, churned = len(own), sum(a for a, _ in own)
            rows.append({"segment": s, "from": ends[i], "to": ends[i + 1], "customers": k, "churned": churned,
                         "observed_rate": churned / k if k else None,
                         "mean_probability": float(sum(Fraction(b) for _, b in own) / k) if k else None})
        given = {"thresholds": dict(zip(("medium", "high", "critical"), cuts))} if cuts != (0.3, 0.5, 0.7) else {}
        tables.append({"name": name, "why": why} | given | {"y": y, "p": p, "expected": rows})

    y, p = [0, 0, 1, 0, 1, 0, 1, 1, 0, 1, 1, 1], [0, 0.1, 0.29, 0.3, 0.45, 0.499, 0.5, 0.65, 0.69, 0.7, 0.9, 1]
    table("every band", "three customers in each; rows on a threshold belong to the band above it", y, p)
    table("an empty band", "no customer: rates are null, not 0", [0, 1, 1, 0], [0.1, 0.35, 0.75, 0.2])
    table("other thresholds", "the same customers in other bands", y, p, (0.1, 0.6, 0.95))
    assert [r["churned"] for r in tables[0]["expected"]] == [1, 1, 2, 3]
    assert [r["customers"] for r in tables[2]["expected"]] == [1, 6, 4, 1]

    def limits_error(name, *t):
        return {"name": name, "thresholds": dict(zip(("medium", "high", "critical"), t)), "error": "invalid_parameter"}

    errors = [limits_error("two are equal", 0.3, 0.3, 0.7), limits_error("falling", 0.5, 0.3, 0.7), limits_error("last falls", 0.3, 0.7, 0.5),
              limits_error("below 0", -0.1, 0.5, 0.7), limits_error("above 1", 0.3, 0.5, 1.1)]
    errors += [{"name": n, "p": v, "error": "invalid_probability"} for n, v in (("NaN", None), ("p below 0", -1e-9), ("p above 1", 1.0000001))]
    return {"note": "Risk bands. A case without thresholds uses default_thresholds; in errors, a p of null stands for NaN.",
            "default_thresholds": {"medium": 0.3, "high": 0.5, "critical": 0.7}, "cases": cases, "errors": errors, "tables": tables}


# ---------------------------------------------------------------- errors.json

def errors_cases():
    """All answers by hand. `text` may be str, bytes (not UTF-8) or a list of parts (too long to store)."""
    cases = []
    head, row = HEADER + "\n", "A,2024-01-01,5,p\n"

    def case(name, why, text, expected, options):
        if isinstance(text, bytes):
            given = {"csv_base64": base64.b64encode(text).decode()}
        else:
            given = {"csv_parts" if isinstance(text, list) else "csv": text}
        cases.append({"name": name, "why": why} | given | ({"options": options} if options else {}) | {"expected": expected})

    def refuse(name, why, text, error, line=None, contains=(), **options):
        case(name, why, text, {"error": error, "line": line, "message_contains": list(contains)}, options)

    def accept(name, why, text, good, customers, bad=(), seen=None, **options):
        bad = [{"line": n, "reason": r} for n, r in bad]
        expected = {"rows": good + len(bad), "good": good, "bad": len(bad), "customers": customers, "bad_rows": bad}
        case(name, why, text, expected | ({"events": seen} if seen is not None else {}), options)

    one = [["A", "2024-01-01", 5, "p"]]
    two = one + [["B", "2024-01-02", None, "login"]]
    accept("plain", "the simplest file", head + row + "B,2024-01-02,,login\n", 2, 2, seen=two)
    accept("no newline at the end", "the last row counts", head + row + "B,2024-01-02,,login", 2, 2, seen=two)
    accept("byte order mark", "it is not part of the first name", "\ufeff" + head + row, 1, 1, seen=one)
    accept("byte order mark before a quoted header", "the quotes still quote", '\ufeff"customer_id","event_date","amount","event_type"\n'
           '"A","2024-01-01","5","p"\n', 1, 1, seen=one)
    accept("CRLF", "the carriage return is no part of the last field", (head + row + "B,2024-01-02,,login\n").replace("\n", "\r\n"), 2, 2,
           seen=two)
    accept("quoted ids", "commas, doubled quotes and newlines belong to the id", head + '"A, Inc.",2024-01-01,1,p\n"say ""hi""",2024-01-02,2,p\n'
           '"two\nlines",2024-01-03,3,p\n', 3, 3, seen=[["A, Inc.", "2024-01-01", 1, "p"], ['say "hi"', "2024-01-02", 2, "p"],
                                                        ["two\nlines", "2024-01-03", 3, "p"]])
    accept("blank lines", "before the header, between rows and at the end: not rows", "\n" + head + "\n" + row + "\n\nB,2024-01-02,,login\n\r\n\n",
           2, 2, seen=two)
    accept("spaces", "trimmed around dates and numbers, an amount of spaces is absent, ids are never trimmed",
           head + "A, 2024-01-01 ,  5 ,p\n A,2024-01-01,6,p\nA ,2024-01-01,  ,p\n", 3, 3,
           seen=[[" A", "2024-01-01", 6, "p"], ["A", "2024-01-01", 5, "p"], ["A ", "2024-01-01", None, "p"]])
    accept("column order and extra columns", "names decide, not places; an unknown name may even occur twice",
           "note,amount,event_date,note,customer_id,event_type\nx,5,2024-01-01,y,A,p\n,,2024-01-02,,B,login\n", 2, 2, seen=two)
    accept("only the required columns", "amount, event_type and churn_label may be missing", "customer_id,event_date\nA,2024-01-01\n", 1, 1,
           seen=[["A", "2024-01-01", None, None]])
    accept("ways to write an amount", "signs, exponents, no leading digit; 1e12 is the largest, an empty one is absent",
           head + "".join(f"A,2024-01-{i:02},{a},p\n" for i, a in enumerate(("+1.5", "1e3", ".5", "-0", "-20.25", "1E-2", "1e12", "-1e12", ""), 1)),
           9, 1, seen=[["A", f"2024-01-{i:02}", a, "p"] for i, a in enumerate((1.5, 1000, 0.5, 0, -20.25, 0.01, 1e12, -1e12, None), 1)])
    stamps = [("2024-01-01", "2024-01-01"), ("2024-01-01 10:00", "2024-01-01"), ("2024-01-01 10:00:00", "2024-01-01"),
              ("2024-01-01T10:00:00Z", "2024-01-01"), ("2024-01-01T23:30:00-05:00", "2024-01-02"), ("2024-01-01T00:30:00+02:00", "2023-12-31"),
              ("2024-03-01T00:00:00.250+01:00", "2024-02-29"), ("2024-02-29", "2024-02-29"), ("2000-02-29", "2000-02-29"),
              ("1969-12-31", "1969-12-31")]
    accept("ways to write a date", "a time is taken to its UTC day, also back over a leap day and before 1970",
           head + "".join(f"C{i},{t},,\n" for i, (t, _) in enumerate(stamps)), 10, 10,
           seen=[[f"C{i}", day, None, None] for i, (_, day) in enumerate(stamps)])
    accept("date_format %Y%m%d", "digits only; the calendar still applies", head + "A,19970101,5,p\nA,20240229,5,p\nA,20230229,5,p\nA,20241301,5,p\n",
           2, 1, [(4, "invalid_date"), (5, "invalid_date")], [["A", "1997-01-01", 5, "p"], ["A", "2024-02-29", 5, "p"]],
           date_format="%Y%m%d", on_bad_row="skip", max_bad_share=1)
    accept("date_format %d-%b-%y", "two digits of the year: 15 is 2015, 99 is 1999", head + "A,16-Mar-15,5,p\nA,31-Dec-99,5,p\n", 2, 1,
           seen=[["A", "1999-12-31", 5, "p"], ["A", "2015-03-16", 5, "p"]], date_format="%d-%b-%y")
    accept("mapped columns", "the log's own names; its event_type is then just another column",
           "InvoiceDate,CustomerID,Price,event_type,Kind\n2024-01-01,A,5,zzz,p\n", 1, 1, seen=one,
           columns={"customer_id": "CustomerID", "event_date": "InvoiceDate", "amount": "Price", "event_type": "Kind"})
    accept("semicolons", "a decimal comma is not an amount", (head + row).replace(",", ";") + "B;2024-01-02;1,5;p\n", 1, 1, [(3, "invalid_amount")],
           one, delimiter=";", on_bad_row="skip", max_bad_share=0.5)
    accept("tabs", "commas are then part of an id", "customer_id\tevent_date\tamount\nA,B\t2024-01-01\t5\n", 1, 1,
           seen=[["A,B", "2024-01-01", 5, None]], delimiter="\t")
    accept("repeated rows", "two equal rows are two events", head + row * 3, 3, 1, seen=one * 3)
    accept("ids byte for byte", "case, leading zeros and the two ways to write an accent make different customers",
           head + "".join(f"{c},2024-01-01,5,p\n" for c in ("a", "A", "007", "7", "\u00e9", "e\u0301", "\U0001f600")), 7, 7,
           seen=[[c, "2024-01-01", 5, "p"] for c in ("007", "7", "A", "a", "e\u0301", "\u00e9", "\U0001f600")])
    accept("an ignored column in another encoding", "only what is read must be UTF-8",
           b"customer_id,event_date,amount,event_type,city\nA,2024-01-01,5,p,K\xf6ln\n", 1, 1, seen=one)
    accept("a long record", "a million bytes is below the limit of 1 MiB", ["customer_id,event_date,note\nA,2024-01-01,", {"repeat": ["x", 1000000]},
                                                                          "\nB,2024-01-01,\n"], 2, 2)
    accept("a long file", "the limit is for a record, not for the file", [head, {"repeat": [row, 70000]}], 70000, 1)

    refuse("zero bytes", "nothing to read", "", "empty_file")
    refuse("only blank lines", "not even a header", "\n\r\n\n", "empty_file")
    refuse("only a byte order mark", "an editor's empty file", "\ufeff", "empty_file")
    refuse("no event_date", "the message names the column", "customer_id,amount\nA,5\n", "missing_column", contains=["event_date"])
    refuse("no header", "the first row is data", row, "missing_column", contains=["customer_id"])
    refuse("mapped column missing", "the message names what was looked for", head + row, "missing_column", contains=["InvoiceDate"],
           columns={"event_date": "InvoiceDate"})
    refuse("optional column mapped but missing", "who names a column means to have it", head + row, "missing_column", contains=["Price"],
           columns={"amount": "Price"})
    refuse("column twice", "which of them is meant is not guessed", "customer_id,event_date,amount,amount\nA,2024-01-01,5,6\n", "duplicate_column",
           contains=["amount"])
    refuse("mapped column twice", "the same under a mapped name", "id,event_date,id\nA,2024-01-01,B\n", "duplicate_column", contains=["id"],
           columns={"customer_id": "id"})
    refuse("header only", "no rows at all", head, "no_good_rows")
    refuse("everything is bad", "skipping leaves nothing", head + ",2024-01-01,5,p\nA,x,5,p\n", "no_good_rows", on_bad_row="skip", max_bad_share=1)
    refuse("UTF-16 without a mark", "NUL bytes in the header", (head + row).encode("utf-16-le"), "not_utf8")
    for mode in ("fail", "skip"):
        refuse(f"unclosed quote, {mode}", "the rest of the file would vanish in one field; the record begins on line 5",
               head + row + '"B\nC",2024-01-02,5,p\n"D,2024-01-03,5,p\nE,2024-01-04,5,p\n', "unclosed_quote", 5, ["line 5"], on_bad_row=mode,
               max_bad_share=1)
    refuse("a record too long", "more than 1 MiB in one field", [head + row + "B,2024-01-01,5,", {"repeat": ["x", 1100000]}, "\n" + row],
           "record_too_long", 3)
    refuse("a quote that swallows rows", "closed after 1.1 MB", [head + '"B,2024-01-01,5,p\n', {"repeat": [row, 70000]}, '",2024-01-01,5,p\n' + row],
           "record_too_long", 2, on_bad_row="skip", max_bad_share=1)
    for share in (-0.1, 1.5):
        refuse(f"max_bad_share {share}", "a share is within 0..1", head + row, "invalid_parameter", contains=["max_bad_share"], on_bad_row="skip",
               max_bad_share=share)
    refuse("a quote as delimiter", "it cannot be both", head + row, "invalid_parameter", contains=["delimiter"], delimiter='"')

    label_head = "customer_id,event_date,churn_label\n"
    refuse("fail: no customer", "an event of nobody", head + row + ",2024-01-02,5,p\n", "bad_rows", 3, ["line 3", "customer_id"])
    refuse("fail: date", "the message shows what was found", head + row + "B,2024-13-01,5,p\n", "bad_rows", 3, ["line 3", "event_date", "2024-13-01"])
    refuse("fail: amount", "the message shows what was found", head + row + "B,2024-01-02,abc,p\n", "bad_rows", 3, ["line 3", "amount", "abc"])
    refuse("fail: field count", "a field too few", head + row + "B,2024-01-02,5\n", "bad_rows", 3, ["line 3"])
    refuse("fail: label", "0 or 1", label_head + "A,2024-01-01,1\nB,2024-01-01,yes\n", "bad_rows", 3, ["line 3", "churn_label", "yes"])
    refuse("fail: conflicting label", "the row that differs from the label given first", label_head + "A,2024-01-01,1\nCUST-7,2024-01-01,0\n"
           "CUST-7,2024-01-02,0\nCUST-7,2024-01-03,1\nA,2024-01-02,1\n", "bad_rows", 5, ["line 5", "CUST-7"])
    refuse("fail: conflict after another bad row", "the first bad row is the one on line 3", label_head + "A,2024-01-01,1\nB,x,0\nA,2024-01-03,0\n",
           "bad_rows", 3, ["line 3"])
    refuse("fail: thirteen bad rows", "all are counted, the first ten shown", head + row + "B,never,5,p\n" * 13, "bad_rows", 3,
           ["13", "line 3", "line 12"])
    refuse("fail: line numbers", "physical lines: a quoted field holds three, blank lines count, CRLF is one",
           head.replace("\n", "\r\n") + '"A\r\nB\nC",2024-01-01,5,p\r\n\r\n\nB,never,5,p\r\n', "bad_rows", 7, ["line 7"])

    loose = {"on_bad_row": "skip", "max_bad_share": 1}
    dates = ["2023-02-29", "2024-13-01", "2024-00-10", "2024-01-32", "2024-04-31", "1900-02-29", "24-01-01", "2024-1-1", "", "  ", "2024-01-01x", "01/02/2024",
             "20240101", "2024-01-01 25:00", "2024-01-01 10:60:00", "2024-01-01T10:00:00+99:00", "yesterday"]
    accept("skip: dates", "not days of the calendar, or not in a known form", head + row + "".join(f"A,{v},5,p\n" for v in dates), 1, 1,
           [(i, "invalid_date") for i in range(3, 3 + len(dates))], one, **loose)
    amounts = ["nan", "NaN", "inf", "-inf", "Infinity", "1e400", "-1e400", "1000000000000.01", "-2e12", '"1,000"', "abc", "$5", "1 000", "0x10",
               "1_000", "5 EUR", "--5", "1e", "."]
    accept("skip: amounts", "not finite, beyond 1e12, or not a decimal number", head + row + "".join(f"A,2024-01-01,{v},p\n" for v in amounts), 1, 1,
           [(i, "invalid_amount") for i in range(3, 3 + len(amounts))], one, **loose)
    accept("skip: field counts", "too few, too many, a trailing comma", head + "A,2024-01-01,5\n" + row + "A,2024-01-01,5,p,x\nA,2024-01-01,5,p,\nA\n", 1, 1,
           [(n, "wrong_field_count") for n in (2, 4, 5, 6)], one, **loose)
    inches = '"a",2024-01-01,5,"TV 32""\n'
    inside = '"two\nlines",2024-01-01,5,"x"y\n'
    refuse("fail: text behind a closing quote", "the quotes behind 32 are one inside the field, which the next row closes", head + row + inches + row +
           '"B",2024-01-02,5,"TV 40"\n', "bad_rows", 3, ["line 3", "closing quote", "TV 32"])
    refuse("fail: a number behind a quoted one", "not 15", head + 'A,2024-01-01,"1"5,p\n', "bad_rows", 2, ["line 2", "closing quote"])
    accept("skip: text behind a closing quote", "inches, a number, a blank, a carriage return, a field begun on the second line of its row; the rows "
           "between are all there", head + inches + row + '"B",2024-01-02,,"login"\n' + 'A,2024-01-01,"1"5,p\n' + row + '"A" ,2024-01-01,5,p\n' +
           'A,2024-01-01,5,"p"\rq\n' + inside + row, 4, 2, [(n, "text_after_quote") for n in (2, 5, 7, 8, 9)], one * 3 + two[1:], **loose)
    accept("skip: no customer", "empty, with and without quotes", head + ",2024-01-01,5,p\n" + row + '"",2024-01-01,5,p\n', 1, 1,
           [(2, "missing_customer"), (4, "missing_customer")], one, **loose)
    accept("skip: labels", "0, 1 or nothing", label_head + "A,2024-01-01,1\nA,2024-01-02,\nA,2024-01-03,2\nB,2024-01-04,yes\nB,2024-01-05,-1\nB,2024-01-06,0\n",
           3, 2, [(n, "invalid_label") for n in (4, 5, 6)],
           [["A", "2024-01-01", None, None], ["A", "2024-01-02", None, None], ["B", "2024-01-06", None, None]], **loose)
    accept("skip: conflicting labels", "which label is right cannot be known: every row of A that carries one is left out, those without stay",
           label_head + "A,2024-01-01,1\nB,2024-01-01,0\nA,2024-01-02,\nA,2024-01-03,1\nA,2024-01-04,0\nB,2024-01-02,0\n", 3, 2,
           [(n, "conflicting_label") for n in (2, 5, 6)],
           [["A", "2024-01-02", None, None], ["B", "2024-01-01", None, None], ["B", "2024-01-02", None, None]], **loose)
    accept("skip: not UTF-8", "Latin-1 in an id or a type", (head + row).encode() + b"M\xfcller,2024-01-01,5,p\nA,2024-01-01,5,k\xe4uf\n", 1, 1,
           [(3, "invalid_utf8"), (4, "invalid_utf8")], one, **loose)
    accept("skip: share exactly met", "one in four of at most a quarter", head + row * 3 + "B,x,5,p\n", 3, 1, [(5, "invalid_date")], one * 3,
           on_bad_row="skip", max_bad_share=0.25)
    accept("skip: nothing to skip", "a share of 0 is met by a clean file", head + row, 1, 1, seen=one, on_bad_row="skip", max_bad_share=0)
    refuse("skip: too many", "two in four of at most a quarter", head + row * 2 + "B,x,5,p\n" * 2, "too_many_bad_rows", on_bad_row="skip",
           max_bad_share=0.25)
    refuse("skip: conflicts count", "the row that gave the first label is bad too, so two in four", label_head + "A,2024-01-01,1\nA,2024-01-02,0\n"
           "B,2024-01-01,0\nB,2024-01-02,0\n", "too_many_bad_rows", on_bad_row="skip", max_bad_share=0.4)
    return {"note": "What the CSV reader accepts, leaves out and refuses; answers by hand. csv_base64 holds bytes that are not UTF-8; csv_parts is "
            "joined, {repeat: [text, count]} standing for count copies. options.columns maps our name to the file's. A line of null is not asserted. "
            "events: [customer, UTC day, amount, type] of the good rows, a multiset.", "cases": cases}


# ---------------------------------------------------------------- logistic.json

def logistic(x, y, l2, weights):
    columns = list(zip(*x))
    medians = [statistics.median(v for v in c if v is not None) for c in columns]
    full = [[m if v is None else v for v in c] for c, m in zip(columns, medians)]
    full += [[float(v is None) for v in c] for c in columns if None in c]
    z = []
    for c in full:  # exact moments, so that a constant column has a deviation of exactly 0
        mean = sum(map(Fraction, c)) / len(c)
        std = math.sqrt(sum((Fraction(v) - mean) ** 2 for v in c) / len(c)) or 1.0
        z.append([float(Fraction(v) - mean) / std for v in c])
    z, y, w = np.array(z).T, np.array(y), np.array(weights or [1.0] * len(y))
    design = np.column_stack([np.ones(len(y)), z]).astype(np.longdouble)
    penalty = np.array([0.0] + [l2] * z.shape[1])
    beta = np.zeros(design.shape[1], dtype=np.longdouble)
    for _ in range(60):  # Newton; the gradient in extended precision settles the last bits
        p = 1 / (1 + np.exp(-(design @ beta)))
        gradient = design.T @ (w * (p - y)) + penalty * beta
        hessian = (design.T * (w * p * (1 - p))) @ design + np.diag(penalty)
        beta -= np.linalg.solve(hessian.astype(float), gradient.astype(float))
    assert np.abs(gradient).max() < 1e-12
    fit = LogisticRegression(C=1 / l2, solver="newton-cholesky", tol=1e-12, max_iter=1000).fit(z, y, sample_weight=w)
    assert np.allclose(np.r_[fit.intercept_, fit.coef_[0]], beta.astype(float), rtol=1e-8, atol=1e-8)
    assert np.allclose(fit.predict_proba(z)[:, 1], p.astype(float), rtol=1e-8, atol=1e-10)
    return {"intercept": float(beta[0]), "coefficients": [float(b) for b in beta[1:]], "probabilities": [float(v) for v in p]}


def logistic_cases():
    rng = random.Random(11)
    cases = []

    def case(name, why, n, columns, truth, l2, missing=0.0, weights=None, constant=False):
        scales = [1, 10, 0.1, 100][:columns]
        x = [[round(rng.gauss(1, 1) * s, 4) for s in scales] for _ in range(n)]
        margin = [sum(t * v / s for t, v, s in zip(truth, r, scales)) for r in x]
        middle = statistics.median(margin)
        y = [int(rng.random() < 1 / (1 + math.exp(middle - m))) for m in margin]
        # Never the first column, which so has no indicator; the second and the last do.
        x = [[None if j in (1, columns - 1) and rng.random() < missing else v for j, v in enumerate(r)] + [0.1] * constant for r in x]
        given = {"name": name, "why": why, "x": x, "y": y, "l2": l2} | ({"weights": weights} if weights else {})
        cases.append(given | {"expected": logistic(x, y, l2, weights)})

    case("eighty by four", "columns of very different scale", 80, 4, (1, -1, 0.5, 0), 1.0)
    case("missing values", "the median and an indicator for the second and fourth column; the last column is constant and gets 0", 60, 4,
         (1, -1, 0.5, 1), 0.5, missing=0.25, constant=True)
    case("weights", "they weigh the loss and the gradient, not the means, deviations and medians", 60, 3, (1, -1, 0.5), 2.0, missing=0.2,
         weights=[(0.5, 1.0, 3.0, 2.0)[i * i % 7 % 4] for i in range(60)])
    case("nearly separable", "without the penalty the coefficients would run away", 40, 2, (40, 25), 1.0)
    assert cases[1]["expected"]["coefficients"][4] == 0 and len(cases[1]["expected"]["coefficients"]) == 7
    return {"note": "Penalised logistic regression on imputed, standardised columns: see README.md. Newton in extended precision, confirmed by "
            "scikit-learn. null is a missing value. Agree to 1e-7 absolute.", "cases": cases}


# ---------------------------------------------------------------- orders.json

def counted(text, order_id=None, merge="none"):
    """The events of a log and the counts of its report: groups of rows, amounts added as fractions of what is written."""
    rows = [{"key": (r["customer_id"], r["event_date"], r.get("event_type") or None), "order": r.get(order_id or "order_id") or None,
             "amount": None if r.get("amount") in (None, "") else Fraction(r["amount"])} for r in csv.DictReader(io.StringIO(text))]
    by_day = merge == "day"
    keys = Counter(r["key"] for r in rows)
    same = Counter((r["key"], None if by_day else r["order"], r["amount"]) for r in rows)
    groups = {}
    for i, r in enumerate(rows):
        unit = () if by_day else (r["order"],) if r["order"] else (None, i)
        groups.setdefault((r["key"], unit), []).append(r["amount"])
    merged = []
    for (key, _), amounts in groups.items():
        there = [a for a in amounts if a is not None]
        merged.append((*key[:2], sum(there) if there else None, key[2]))
    merged.sort(key=lambda e: (e[0].encode(), e[1], (e[3] or "").encode(), e[2] is None, e[2] or 0))
    return merged, {"rows": len(rows), "good": len(rows), "bad": 0, "customers": len({k[0] for k in keys}),
                    "unit": "day" if by_day else "order" if any(r["order"] for r in rows) else "row",
                    "rows_sharing_day": sum(n for n in keys.values() if n > 1), "duplicate_rows": sum(n for n in same.values() if n > 1),
                    "merged_rows": len(rows) - len(groups)}


def exactly(fraction):
    """A fraction of a power of ten as it is written."""
    return "" if fraction is None else format(Decimal(fraction.numerator) / Decimal(fraction.denominator), "f")


def random_lines(rng):
    lines = []
    for order in range(150):
        customer, day = f"C{rng.randrange(25):02}", date(2024, 5, 31) - timedelta(rng.randrange(0, 300))
        for _ in range(rng.choice([1, 1, 2, 3, 8, 40])):
            amount = rng.choice(["", f"{rng.randrange(-3000, 20000) / 100:.2f}", f"{rng.randrange(1, 99999) / 1000:.3f}"])
            # An order may span two days, hold two kinds, or have no id; an id may be long.
            day_of_line = day + timedelta(rng.random() < 0.1)
            name = rng.choice(["", f"I{order}", f"I{order}", f"I{order}"]) if order % 5 else f"invoice number {order} of the year 2024"
            lines.append(f"{customer},{day_of_line},{amount},{rng.choice(['p', 'p', 'p', 'fee'])},{name}")
    rng.shuffle(lines)
    return lines


def orders_cases():
    head = HEADER + ",order_id"
    as_of = date(2024, 5, 31)
    cents = random.Random(73)
    invoice = [f"12347,2024-05-07,{cents.randrange(29, 9999) / 100:.2f},p,542237" for _ in range(73)]
    refund = ("A,2024-05-01,100,p,1", "A,2024-05-01,-120.50,p,1", "A,2024-05-02,50,p,2", "A,2024-05-02,-50,p,2", "A,2024-05-03,10,p,3")
    two_orders = ("A,2024-05-01,1,p,1", "A,2024-05-01,2,p,1", "A,2024-05-01,4,p,2", "A,2024-05-01,8,p,")
    lines = random_lines(random.Random(18))
    whys = [
        ("lines of an order", "their amounts add up as they are written: 0.10 and 0.20 are 0.3", head,
         ("A,2024-05-01,0.10,p,1", "A,2024-05-01,0.20,p,1", "A,2024-05-03,5,p,2"), {}),
        ("a row without an order", "it stands for itself, also beside its equal", head,
         ("A,2024-05-01,5,p,", "A,2024-05-01,5,p,", "A,2024-05-01,5,p,1", "B,2024-05-02,5,p,"), {}),
        ("what keeps lines apart", "another customer, day or type is another event of the same order", head,
         ("A,2024-05-01,1,p,1", "B,2024-05-01,2,p,1", "A,2024-05-02,4,p,1", "A,2024-05-01,8,fee,1", "A,2024-05-01,16,,1", "A,2024-05-01,32,,1"), {}),
        ("the sign of the sum", "100 and -120.50 are one refund; 50 and -50 are 0, which is none", head, refund, {}),
        ("absent amounts", "only those that are there are added; an order of none has none", head,
         ("A,2024-05-01,,p,1", "A,2024-05-01,7,p,1", "A,2024-05-02,,p,2", "A,2024-05-02,,p,2"), {}),
        ("one invoice of 73 lines", "one event", head, tuple(invoice), {}),
        ("a column of another name", "the column order_id is then just another column", HEADER + ",order_id,InvoiceNo",
         ("A,2024-05-01,1,p,1,x", "A,2024-05-01,2,p,1,y", "A,2024-05-01,4,p,2,y"), {"columns": {"order_id": "InvoiceNo"}}),
        ("many places", "eight of them, as coins have, beside three and none", head,
         ("A,2024-05-01,0.00000001,p,1", "A,2024-05-01,0.12345678,p,1", "A,2024-05-01,1.005,p,1", "A,2024-05-01,3,p,1"), {}),
        ("long order ids", "they differ in their last character", head,
         ("A,2024-05-01,1,p,order number 0001", "A,2024-05-01,2,p,order number 0002", "A,2024-05-01,4,p,order number 0001"), {}),
        ("no order column", "nothing is merged, what rows share is counted", HEADER,
         ("A,2024-05-01,1,p", "A,2024-05-01,1,p", "A,2024-05-01,2,p", "A,2024-05-01,,p", "A,2024-05-02,1,p", "B,2024-05-01,1,p", "A,2024-05-02,1,"), {}),
        ("an order column without an id", "the same as none", head, ("A,2024-05-01,1,p,", "A,2024-05-01,1,p,"), {}),
        ("equal lines of an order", "two of the same article: duplicates that are counted, and one event", head,
         ("A,2024-05-01,2.95,p,1", "A,2024-05-01,2.95,p,1", "A,2024-05-01,2.95,p,2"), {}),
        ("by day", "all rows of a customer, day and type; orders are not read", head, two_orders, {"merge": "day"}),
        ("by day without orders", "a type of its own is an event of its own", HEADER,
         ("A,2024-05-01,0.1,p", "A,2024-05-01,0.2,p", "A,2024-05-01,,login", "A,2024-05-01,,login", "A,2024-05-02,-3,p"), {"merge": "day"}),
        ("orders, shuffled", "random orders of 25 customers, some over two days, of two kinds, without an id", head, tuple(lines), {}),
        ("days, shuffled", "the same by day", head, tuple(lines), {"merge": "day"}),
    ]
    cases = []
    for name, why, header, rows, options in whys:
        text = log(*rows, header=header)
        merged, report = counted(text, options.get("columns", {}).get("order_id"), options.get("merge", "none"))
        seen = [[c, d, None if a is None else float(a), t] for c, d, a, t in merged]
        grouped = log(*(f"{c},{d},{exactly(a)},{t or ''}" for c, d, a, t in merged))
        names, expected = behavioral(grouped, as_of)
        cases.append({"name": name, "why": why, "csv": text, "options": options, "report": report, "events": seen, "as_of": str(as_of),
                      "grouped": grouped, "names": names, "expected": expected})
    by_name = {c["name"]: c for c in cases}
    # Some answers by hand.
    assert by_name["lines of an order"]["events"] == [["A", "2024-05-01", 0.3, "p"], ["A", "2024-05-03", 5.0, "p"]]
    assert by_name["the sign of the sum"]["expected"]["A"]["refund_count"] == 1
    assert by_name["the sign of the sum"]["expected"]["A"]["largest_amount"] == 10
    assert by_name["one invoice of 73 lines"]["report"]["merged_rows"] == 72
    assert by_name["by day"]["events"] == [["A", "2024-05-01", 15.0, "p"]]
    assert by_name["no order column"]["report"] | {} == {"rows": 7, "good": 7, "bad": 0, "customers": 2, "unit": "row", "rows_sharing_day": 4,
                                                       "duplicate_rows": 2, "merged_rows": 0}
    errors = [
        {"name": "mapped but missing", "csv": log("A,2024-05-01,1,p"), "options": {"columns": {"order_id": "InvoiceNo"}}, "error": "missing_column"},
        {"name": "twice", "csv": log("A,2024-05-01,1,p,1,2", header=head + ",order_id"), "options": {}, "error": "duplicate_column"},
        {"name": "orders and days", "csv": log("A,2024-05-01,1,p,1", header=head), "options": {"columns": {"order_id": "order_id"}, "merge": "day"},
         "error": "invalid_parameter"},
        {"name": "an order of more than an amount can be", "csv": log("A,2024-05-01,1e12,p,1", "A,2024-05-01,1,p,1", header=head), "options": {},
         "error": "bad_rows"},
        {"name": "a day of more than an amount can be", "csv": log("A,2024-05-01,-1e12,p", "A,2024-05-01,-0.01,p"), "options": {"merge": "day"},
         "error": "bad_rows"},
    ]
    return {"note": "Rows that are one event. `report` and `events` are those of the log as it is, read with the options; `names` and `expected` "
            "the features that `behavioral` adds, of `grouped`, the same log with a row an event, whose features must have the same bits.",
            "cases": cases, "errors": errors}


# ---------------------------------------------------------------- files

def dump(value, pad=""):
    """JSON that diffs well: one line for what is short or holds only scalars, one level of indent for the rest."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    line = json.dumps(value, allow_nan=False)
    if len(line) < 120 or not any(isinstance(v, (dict, list)) for v in inner):
        return line
    deeper = pad + " "
    if isinstance(value, dict):
        return "{\n" + ",\n".join(f"{deeper}{json.dumps(k)}: {dump(v, deeper)}" for k, v in value.items()) + f"\n{pad}}}"
    return "[\n" + ",\n".join(deeper + dump(v, deeper) for v in value) + f"\n{pad}]"


def difference(have, want, path):
    """The first place where two documents differ by more than 1e-12 relative, or None."""
    if isinstance(want, (int, float)) and isinstance(have, (int, float)):
        return None if math.isclose(have, want, rel_tol=1e-12, abs_tol=1e-15) else f"{path}: {have} on disk, {want} computed"
    if type(have) is not type(want):
        return f"{path}: {have!r} on disk, {want!r} computed"
    if isinstance(want, (dict, list)):
        keys = want if isinstance(want, dict) else range(len(want))
        if len(have) != len(want) or (isinstance(want, dict) and list(have) != list(want)):
            return f"{path}: other members"
        return next((d for k in keys if (d := difference(have[k], want[k], f"{path}/{k}"))), None)
    return None if have == want else f"{path}: {have!r} on disk, {want!r} computed"


def main(makers):
    program = Path(sys.argv[0]).name
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit(f"usage: {program} [--check]")
    problems = []
    for name, make in makers.items():
        path, document = HERE / f"{name}.json", make()
        if not sys.argv[1:]:
            path.write_text(dump(document) + "\n", encoding="ascii", newline="\n")
        elif not path.exists():
            problems.append(f"{path.name}: not there")
        elif found := difference(json.loads(path.read_text(encoding="ascii")), json.loads(dump(document)), path.name):
            problems.append(found)
    if problems:
        sys.exit("\n".join(problems + [f"run tests/vectors/{program} to rewrite the files"]))


if __name__ == "__main__":
    main({"behavioral": behavioral_cases, "labels": labels_cases, "metrics": metrics_cases, "segments": segments_cases,
          "errors": errors_cases, "logistic": logistic_cases, "orders": orders_cases})
