"""Writes profit.json, costs.json and compare.json.

    python tests/vectors/oracle_money.py            rewrite the files
    python tests/vectors/oracle_money.py --check    compare the files with what would be written; exit 1 if they differ

Every expected value comes from a definition taken literally, in exact fractions and 50-digit decimals, from a published
number, or from an answer worked by hand and written beside its case. Needs what oracle.py needs.
"""
import math
import random
from decimal import Decimal
from fractions import Fraction
from itertools import combinations
from statistics import NormalDist

from oracle import main  # which sets the decimals to 50 digits

DEFAULTS = {"clv": 200, "incentive_cost": 10, "contact_cost": 1}


def decimal(x):
    x = Fraction(x)
    return Decimal(x.numerator) / x.denominator


def drawn(seed, n, digits, bend=1.0):
    """Outcomes, and probabilities with `digits` decimals that are right if `bend` is 1."""
    rng = random.Random(seed)
    p = [round(rng.betavariate(1.2, 2), digits) for _ in range(n)]
    return [int(rng.random() < bend * v) for v in p], p


# ---------------------------------------------------------------- profit.json

def roc_points(y, p):
    """(churners, others, threshold) at or above each probability, from nobody on."""
    cuts = sorted(set(p), reverse=True)
    at = [(sum(a for a, b in zip(y, p) if b >= t), sum(1 - a for a, b in zip(y, p) if b >= t), t) for t in cuts]
    return [(0, 0, None)] + at


def realised(y, p, config):
    """(share, threshold, profit) of each point, and the first of the best."""
    v, d, f, g = (Fraction(({**DEFAULTS, "success_rate": 0.3} | config)[k]) for k in ("clv", "incentive_cost", "contact_cost", "success_rate"))
    points = [(Fraction(k + m, len(y)), t, k * (g * (v - d) - f) - m * (d + f)) for k, m, t in roc_points(y, p)]
    return points, max(points, key=lambda point: (point[2], -point[0]))


def beyond(x, a, b):
    """1 - I_x(a, b) for a whole a and any b: (1 - x)^b times the sum over j < a of (b)_j / j! x^j."""
    x, b, term, total = decimal(x), decimal(b), Decimal(1), Decimal(0)
    for j in range(a):
        total += term
        term *= (b + j) / (j + 1) * x
    return (1 - x) ** b * total if x < 1 else Decimal(0)


def empc(y, p, config):
    """The integral taken literally: between any two crossings of the profit lines the best threshold is one and the same."""
    c = {"alpha": 6, "beta": 14} | DEFAULTS | config
    v, d, f, a, b = Fraction(c["clv"]), Fraction(c["incentive_cost"]), Fraction(c["contact_cost"]), c["alpha"], Fraction(c["beta"])
    n = len(y)
    lines = [(k * (v - d) / n, -(k * f + m * (d + f)) / n, Fraction(k + m, n)) for k, m, _ in roc_points(y, p)]  # slope, level, share
    crossings = {(r[1] - q[1]) / (q[0] - r[0]) for q, r in combinations(lines, 2) if q[0] != r[0]}
    cuts = [Fraction(0)] + sorted(x for x in crossings if 0 < x < 1) + [Fraction(1)]
    profit = fraction = Decimal(0)
    mean = decimal(Fraction(a) / (a + b))
    for low, high in zip(cuts, cuts[1:]):
        middle = (low + high) / 2
        slope, level, share = max(lines, key=lambda q: (q[0] * middle + q[1], -q[2]))
        mass = beyond(low, a, b) - beyond(high, a, b)
        profit += decimal(slope) * mean * (beyond(low, a + 1, b) - beyond(high, a + 1, b)) + decimal(level) * mass
        fraction += decimal(share) * mass
    return {"empc": float(profit), "fraction": float(fraction)}


def expected(config, p, value):
    c = DEFAULTS | {"success_rate": 0.3} | config
    v, d, f, g, p = (Fraction(x) for x in (value, c["incentive_cost"], c["contact_cost"], c["success_rate"], p))
    return p * g * (v - d) - (1 - p) * d - f


MASK = 2**64 - 1


def mix(z):  # the finaliser of SplitMix64
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
    return z ^ z >> 31


def draw(seed, customer):
    text = customer.encode()
    state = mix(seed ^ mix(len(text)))
    for i in range(0, len(text), 8):
        state = mix(state ^ int.from_bytes(text[i:i + 8], "little"))
    return state


def contact_list(ids, p, values, config):
    c = DEFAULTS | {"success_rate": 0.3, "budget": None, "control_share": 0.1, "seed": 0, "rank_by": "expected_profit"} | config
    campaign = {k: c[k] for k in (*DEFAULTS, "success_rate")}
    rows = [(i, a, v, expected(campaign, a, v)) for i, a, v in zip(ids, p, values or [c["clv"]] * len(ids))]
    by = 1 if c["rank_by"] == "probability" else 3
    rows = sorted((r for r in rows if by == 1 or r[3] > 0), key=lambda r: (-r[by], r[0].encode()))
    cost = Fraction(c["incentive_cost"]) + Fraction(c["contact_cost"])
    most = len(rows) if c["budget"] is None or cost == 0 else math.floor(Fraction(c["budget"]) / cost)
    controls = lambda k: math.floor(c["control_share"] * k + 0.5)
    # The most that leave no more to contact than the budget is enough for.
    rows = rows[:max(k for k in range(len(rows) + 1) if k - controls(k) <= most)]
    held_out = {r[0] for r in sorted(rows, key=lambda r: (draw(c["seed"], r[0]), r[0].encode()))[:controls(len(rows))]}
    contacts = [r for r in rows if r[0] not in held_out]
    return {"entries": [{"customer_id": r[0], "churn_probability": r[1], "value": r[2], "expected_profit": float(r[3]),
                         "group": "control" if r[0] in held_out else "contact"} for r in rows],
            "contacts": len(contacts), "controls": len(held_out), "reserved_budget": float(len(contacts) * cost),
            "expected_profit": float(sum(r[3] for r in contacts))}


def outcome(contacted, control, confidence):
    """Retained of customers in both groups; Newcombe's method 10 in decimals."""
    z = decimal(NormalDist().inv_cdf((1 + confidence) / 2))
    limits, rates = [], []
    for k, n in (contacted, control):
        q = Decimal(k) * (n - k) / n
        spread = z * (z * z + 4 * q).sqrt()
        limits.append(((2 * k + z * z - spread) / 2 / (n + z * z), (2 * k + z * z + spread) / 2 / (n + z * z)))
        rates.append(Decimal(k) / n)
    (l1, u1), (l2, u2) = limits
    r1, r2 = rates
    low = r1 - r2 - ((r1 - l1) ** 2 + (u2 - r2) ** 2).sqrt()
    high = r1 - r2 + ((u1 - r1) ** 2 + (r2 - l2) ** 2).sqrt()
    group = lambda k, n: {"customers": n, "retained": k, "rate": float(Fraction(k, n))}
    kept = lambda x: float(x * contacted[1])
    return {"contacted": group(*contacted), "control": group(*control), "difference": float(r1 - r2), "low": float(low), "high": float(high),
            "customers_kept": kept(r1 - r2), "customers_kept_low": kept(low), "customers_kept_high": kept(high)}


def profit_cases():
    document = {"note": "What contacting is worth. A case without config or a key of it has the defaults. In errors, a p or value of null "
                "stands for NaN; everywhere else null is none. Exact fractions and 50-digit decimals, rounded once to f64. Agree to 1e-9 "
                "relative, 1e-12 absolute."}

    # One customer.
    free = {"incentive_cost": 0, "contact_cost": 0}
    singles = document["expected_profit"] = []
    for name, why, config, p, value, threshold in (
            ("defaults", "0.5 * 57 - 0.5 * 10 - 1", {}, 0.5, 200, Fraction(11, 67)),
            ("a certain churner", "0.3 * 190 - 1", {}, 1, 200, Fraction(11, 67)),
            ("certain to stay", "the incentive and the contact are lost", {}, 0, 200, Fraction(11, 67)),
            ("worth less than the incentive", "keeping one costs more than it brings", {}, 0.9, 4, Fraction(11, 67)),
            ("worth nothing", "a value of 0 is allowed", {}, 0.9, 0, Fraction(11, 67)),
            ("lifetime value below the incentive", "contacting never pays", {"clv": 5}, 1, 5, None),
            ("nobody accepts", "a success rate of 0 never pays", {"success_rate": 0}, 1, 200, None),
            ("just not enough", "a certain churner brings 0.5 * (30 - 10) = 10, what a contact costs: 0 is not above 0",
             {"clv": 30, "success_rate": 0.5, "contact_cost": 10}, 1, 30, None),
            ("free", "every probability above 0 pays", free, 0, 200, 0),
            ("free and worthless", "nothing to win", free | {"clv": 0}, 1, 0, None),
            ("on the threshold", "(8 + 2) / (0.5 * 24 + 8) = 1/2, where contacting earns 0",
             {"clv": 32, "incentive_cost": 8, "contact_cost": 2, "success_rate": 0.5}, 0.5, 32, Fraction(1, 2))):
        profit = expected(config, p, value)
        singles.append({"name": name, "why": why, "config": config, "p": p, "value": value, "profit": float(profit),
                        "threshold": None if threshold is None else float(threshold)})
    assert [s["profit"] for s in singles[:3]] == [22.5, 56, -11] and singles[-1]["profit"] == 0

    # Rankings.
    published = [0, 1, 0, 1, 0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.8, 0.9]
    hand = [1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1]
    rankings = [
        ("published", "the example of the documentation of empulse, which agrees with the R package EMP", *published, {}),
        ("by hand", "contacting one to four earns 56, 45, 101, 90: three, 25.25 each", *hand, {}),
        ("perfect ranking", "the churners and nobody else", [1, 1, 0, 0, 0], [0.9, 0.8, 0.3, 0.2, 0.1], {}),
        ("reversed ranking", "four others to get at one churner: 56 - 44 is still worth it", [0, 0, 0, 0, 1], [0.9, 0.8, 0.7, 0.6, 0.5], {}),
        ("reversed and dear", "it is not worth it any more: nobody is contacted", [0, 0, 0, 0, 1], [0.9, 0.8, 0.7, 0.6, 0.5], {"clv": 60}),
        ("all equal", "all or nobody", [0, 1, 0, 0, 1, 0, 0], [0.5] * 7, {}),
        ("heavy ties", "four values for forty rows", [0, 0, 1, 0, 0, 1, 0, 1, 1, 0] * 4, [0.1, 0.1, 0.1, 0.3, 0.3, 0.3, 0.3, 0.5, 0.8, 0.5] * 4, {}),
        ("heavy ties, other order", "the same rows backwards give the same numbers", [0, 1, 1, 0, 1, 0, 0, 1, 0, 0] * 4,
         [0.5, 0.8, 0.5, 0.3, 0.3, 0.3, 0.3, 0.1, 0.1, 0.1] * 4, {}),
        ("no costs", "contacting up to the last churner costs nothing", [1, 0, 1, 0, 0], [0.9, 0.8, 0.7, 0.2, 0.1], free),
        ("lifetime value below the incentive", "contacting never pays", *hand, {"clv": 4}),
        ("lifetime value equal to the incentive", "nor here", *hand, {"clv": 10}),
        ("probabilities of 0 and 1", "and a negative zero, which ties with zero", [1, 0, 1, 0, 1], [1, 0, 0, -0.0, 1], {}),
        ("fifty", "random, too high throughout", *drawn(3, 50, 2, 0.6), {}),
        ("three hundred", "random with one decimal", *drawn(4, 300, 1), {"clv": 80, "incentive_cost": 12.5, "contact_cost": 0.75}),
    ]
    shapes = [("uniform", {"alpha": 1, "beta": 1}), ("sure of the rate", {"alpha": 300, "beta": 700}), ("beta not whole", {"alpha": 2, "beta": 5.5}),
              ("mostly accepted", {"alpha": 14, "beta": 6}), ("skewed", {"alpha": 1, "beta": 1000}), ("J-shaped", {"alpha": 5, "beta": 0.5})]
    document["empc"] = [{"name": n, "why": w, "y": y, "p": p, "config": c, "expected": empc(y, p, c)} for n, w, y, p, c in rankings]
    for name, config in shapes:
        y, p = drawn(5, 40, 2)
        document["empc"].append({"name": name, "why": "another distribution of the success rate", "y": y, "p": p, "config": config,
                                 "expected": empc(y, p, config)})
    # R package EMP and empulse, to all digits that they print.
    assert document["empc"][0]["expected"] == {"empc": 23.875593418348124, "fraction": 0.8743700763487141}

    tied = {"clv": 34, "incentive_cost": 6, "contact_cost": 4, "success_rate": 0.5}
    rankings += [("equally good thresholds", "a churner brings 10, another costs 10: of one and three contacts, one", [1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1], tied),
                 ("nobody accepts", "a success rate of 0", *hand, {"success_rate": 0}),
                 ("everybody accepts", "a success rate of 1", *drawn(6, 60, 2), {"success_rate": 1})]
    document["curve"] = []
    for name, why, y, p, config in rankings:
        points, best = realised(y, p, config)
        as_point = lambda point: {"share": float(point[0]), "threshold": point[1], "profit": float(point[2])}
        document["curve"].append({"name": name, "why": why, "y": y, "p": p, "config": config, "expected": {
            "mpc": float(best[2] / len(y)), "fraction": float(best[0]), "threshold": best[1], "best": as_point(best),
            "points": [as_point(point) for point in points]}})
    by_name = {c["name"]: c["expected"] for c in document["curve"]}
    assert [round(point["profit"]) for point in by_name["by hand"]["points"]] == [0, 56, 45, 101, 90]
    assert (by_name["by hand"]["mpc"], by_name["by hand"]["threshold"]) == (25.25, 0.7)
    assert by_name["reversed and dear"]["threshold"] is None and by_name["equally good thresholds"]["fraction"] == 0.25

    values = [200, 20, 1000, 60, 0, 5, 200, 400]
    risks = [0.5, 0.9, 0.05, 0.4, 1, 0.8, 0.1, 0.3]
    document["expected_curve"] = []
    for name, why, p, v, config in (
            ("own values", "a small risk of losing much before a great one of losing little", risks, values, {}),
            ("one value", "by probability", risks, None, {}),
            ("ties", "equal expected profits are contacted together", [0.5, 0.2, 0.5, 0.1, 0.2], None, {}),
            ("never pays", "the best is to contact nobody", risks, None, {"clv": 10}),
            ("always pays", "everybody has some risk and nothing costs anything", risks, [50] * 8, free),
            ("a single customer", "all or nobody", [0.6], None, {})):
        profits = sorted((expected(config, a, b) for a, b in zip(p, v or [(DEFAULTS | config)["clv"]] * len(p))), reverse=True)
        points = [(Fraction(0), None, Fraction(0))]
        points += [(Fraction(k, len(p)), profits[k - 1], sum(profits[:k])) for k in range(1, len(p) + 1) if k == len(p) or profits[k] != profits[k - 1]]
        best = max(points, key=lambda point: (point[2], -point[0]))
        assert best[0] == Fraction(sum(x > 0 for x in profits), len(p))
        as_point = lambda q: {"share": float(q[0]), "threshold": None if q[1] is None else float(q[1]), "profit": float(q[2])}
        document["expected_curve"].append({"name": name, "why": why, "p": p, "values": v, "config": config,
                                           "expected": {"best": as_point(best), "points": [as_point(q) for q in points]}})

    ids = list("abcdefgh")
    rng = random.Random(8)
    many = [f"customer {i}" for i in range(120)]
    many_p, many_v = [round(rng.betavariate(1.2, 2), 3) for _ in many], [round(rng.uniform(0, 500), 2) for _ in many]
    odd = ["", "\u00e9", "e\u0301", "B", "a", "longer than eight bytes", "longer than eight byteS", "a,\"b\""]
    document["contact_list"] = []
    for name, why, i, p, v, config in (
            ("no budget", "everybody worth contacting", ids, risks, values, {"control_share": 0.25}),
            ("a budget for two", "25 / 11 is two contacts, and of the three chosen one is control", ids, [0.9, 0.8, 0.7, 0.6] * 2, None,
             {"budget": 25, "control_share": 0.3}),
            ("the budget met exactly", "33 / 11 is three", ids, [0.9, 0.8, 0.7, 0.6] * 2, None, {"budget": 33, "control_share": 0}),
            ("too small a budget", "not one contact", ids, risks, values, {"budget": 10.99}),
            ("a budget beyond all need", "as without one", ids, risks, values, {"budget": 1e9, "control_share": 0.25}),
            ("nothing costs anything", "every budget is enough", ids, risks, values, free | {"budget": 1, "control_share": 0.5}),
            ("nobody is worth it", "an empty list", ids, risks, None, {"clv": 10}),
            ("no customers", "an empty list", [], [], None, {}),
            ("ranked by probability", "the costly baseline: values and costs leave nobody out", ids, risks, values,
             {"rank_by": "probability", "budget": 44, "control_share": 0.2}),
            ("ranked by probability, no budget", "everybody", ids, risks, values, {"rank_by": "probability"}),
            ("ties by id", "equal customers in the order of the bytes of their ids", odd, [0.5] * 8, None, {"budget": 44, "control_share": 0.3}),
            ("half in control", "of five chosen 2.5, so three", ids[:5], [0.5] * 5, None, {"control_share": 0.5}),
            ("a hundred and twenty", "random, with a budget", many, many_p, many_v, {"budget": 300.5, "control_share": 0.2, "seed": 42}),
            ("another seed", "the same customers, another control group", many, many_p, many_v, {"budget": 300.5, "control_share": 0.2, "seed": 2**53 - 1})):
        document["contact_list"].append({"name": name, "why": why, "customer_ids": i, "p": p, "values": v, "config": config,
                                         "expected": contact_list(i, p, v, config)})
    lists = {c["name"]: c["expected"] for c in document["contact_list"]}
    assert (lists["a budget for two"]["contacts"], lists["a budget for two"]["controls"]) == (2, 1)
    assert lists["half in control"]["controls"] == 3 and lists["ties by id"]["entries"][1]["customer_id"] == "B"
    groups = [[e["group"] for e in lists[n]["entries"]] for n in ("a hundred and twenty", "another seed")]
    assert groups[0] != groups[1] and len(groups[0]) == len(groups[1])

    # Newcombe (1998), Table II, method 10, to the four digits that he prints.
    table = [((56, 70), (48, 80), 0.0524, 0.3339), ((9, 10), (3, 10), 0.1705, 0.8090), ((6, 7), (2, 7), 0.0582, 0.8062),
             ((5, 56), (0, 29), -0.0381, 0.1926), ((0, 10), (0, 20), -0.1611, 0.2775), ((0, 10), (0, 10), -0.2775, 0.2775),
             ((10, 10), (0, 20), 0.6791, 1), ((10, 10), (0, 10), 0.6075, 1)]
    document["campaign_outcome"] = []
    for contacted, control, low, high in table:
        found = outcome(contacted, control, 0.95)
        assert abs(found["low"] - low) < 5.1e-5 and abs(found["high"] - high) < 5.1e-5, found
        document["campaign_outcome"].append({"name": "Newcombe, {}/{} against {}/{}".format(*contacted, *control), "why": "his table II",
                                             "contacted": contacted, "control": control, "expected": found})
    for name, why, contacted, control, confidence in (
            ("one customer each", "next to nothing is known", (1, 1), (0, 1), 0.95),
            ("contacting drove customers away", "customers_kept is below 0", (700, 1000), (800, 1000), 0.95),
            ("a large campaign", "90 % confidence", (91500, 100000), (9080, 10000), 0.9),
            ("a small confidence", "a narrow interval", (56, 70), (48, 80), 0.01)):
        document["campaign_outcome"].append({"name": name, "why": why, "contacted": contacted, "control": control,
                                             "config": {"confidence": confidence}, "expected": outcome(contacted, control, confidence)})

    errors = document["errors"] = []

    def error(name, calls, code, **arguments):
        errors.extend({"name": f"{name}: {call}", "call": call} | arguments | {"error": code} for call in calls)

    judged = ["empc", "mpc", "curve"]
    priced = judged + ["expected_curve", "contact_list"]
    error("lengths differ", judged, "shape_mismatch", y=[0, 1, 1], p=[0.5, 0.5])
    error("nobody", judged + ["expected_curve"], "too_few_rows", y=[], p=[])
    error("only churners", judged, "one_class", y=[1, 1], p=[0.2, 0.9])
    error("no churner", judged, "one_class", y=[0, 0], p=[0.2, 0.9])
    error("NaN", priced, "invalid_probability", y=[0, 1, 1], p=[0.5, None, 0.7], customer_ids=["a", "b", "c"])
    error("above 1", priced, "invalid_probability", y=[0, 1, 1], p=[0.5, 1.0000001, 0.7], customer_ids=["a", "b", "c"])
    rows = {"y": [0, 1], "p": [0.2, 0.9], "customer_ids": ["a", "b"]}
    for key, value in (("clv", -1), ("clv", 1e13), ("incentive_cost", -0.01), ("contact_cost", -1)):
        error(f"{key} {value}", priced, "invalid_parameter", **rows, config={key: value})
    for rate in (-0.1, 1.1):
        error(f"success_rate {rate}", [c for c in priced if c != "empc"], "invalid_parameter", **rows, config={"success_rate": rate})
    for key, value in (("alpha", 0), ("alpha", 0.4), ("beta", -1), ("beta", 1001)):
        error(f"{key} {value}", ["empc"], "invalid_parameter", **rows, config={key: value})
    error("values of other length", ["expected_curve", "contact_list"], "shape_mismatch", **rows, values=[1])
    for value in (None, -1, 1e13):
        error(f"value {value}", ["expected_curve", "contact_list"], "invalid_parameter", **rows, values=[1, value])
    for key, value in (("budget", 0), ("budget", -5), ("control_share", -0.1), ("control_share", 1)):
        error(f"{key} {value}", ["contact_list"], "invalid_parameter", **rows, config={key: value})
    error("an id too few", ["contact_list"], "shape_mismatch", customer_ids=["a"], p=[0.2, 0.9])
    error("a customer twice", ["contact_list"], "invalid_column", customer_ids=["a", "b", "a"], p=[0.2, 0.9, 0.2])
    error("groups and outcomes differ", ["campaign_outcome"], "shape_mismatch", contacted=[1, 0, 1], y=[0, 1])
    error("nobody contacted", ["campaign_outcome"], "too_few_rows", contacted=[0, 0], y=[0, 1])
    error("no control group", ["campaign_outcome"], "too_few_rows", contacted=[1, 1], y=[0, 1])
    error("empty", ["campaign_outcome"], "too_few_rows", contacted=[], y=[])
    for confidence in (0, 1, 95):
        error(f"confidence {confidence}", ["campaign_outcome"], "invalid_parameter", contacted=[1, 0], y=[0, 1], config={"confidence": confidence})
    return document


# ---------------------------------------------------------------- costs.json

COSTS = ("tp_cost", "fp_cost", "tn_cost", "fn_cost")


def matrices(costs, n):
    """The four costs of each of n customers, in exact fractions."""
    columns = [costs.get(name, 0) for name in COSTS]
    return [[Fraction(c[i] if isinstance(c, list) else c) for c in columns] for i in range(n)]


def pays(tp, fp, tn, fn, p):
    """Return True if contacting has the lower expected cost: Bayes minimum risk by its definition, without a threshold."""
    return p * tp + (1 - p) * fp < p * fn + (1 - p) * tn


def threshold(tp, fp, tn, fn):
    excess, gain = fp - tn, fp - tn + fn - tp
    assert gain >= 0
    return float(excess / gain) if gain else "-inf" if excess < 0 else "inf"


def savings(y, p, costs, config):
    rows = matrices(costs, len(y))
    p = [Fraction(x) for x in p]
    contacted = [x > Fraction(config["threshold"]) if "threshold" in config else pays(*row, x) for x, row in zip(p, rows)]

    def cost(shares):
        """Of contacting each customer to such a share."""
        return sum(c * (tp if a else fp) + (1 - c) * (fn if a else tn) for a, c, (tp, fp, tn, fn) in zip(y, shares, rows))

    none, everybody = cost([0] * len(y)), cost([1] * len(y))
    base = min(none, everybody)
    saved = lambda c: float(1 - c / base) if base > 0 else None
    chosen, expected_cost = cost(contacted), cost(p)
    return {"customers": len(y), "contacted": sum(contacted), "cost": float(chosen), "cost_none": float(none), "cost_all": float(everybody),
            "savings": saved(chosen), "expected_cost": float(expected_cost), "expected_savings": saved(expected_cost)}


def costs_cases():
    document = {"note": "Savings where customers have costs of their own: a number for all of them or a list with one for each, 0 if left out. "
                "thresholds are those of cost_thresholds; the texts inf and -inf stand for infinity, which JSON cannot hold. In errors, a null "
                "in a list stands for NaN. Exact fractions, rounded once to f64. Agree to 1e-9 relative, 1e-12 absolute."}
    rng = random.Random(12)
    money = lambda low, high, n: [round(rng.uniform(low, high), 2) for _ in range(n)]
    y60, p60 = drawn(13, 60, 3)
    tp, fp, tn = money(5, 40, 60), money(30, 90, 60), money(0, 20, 60)
    every = {"tp_cost": tp, "fp_cost": fp, "tn_cost": tn, "fn_cost": money(60, 900, 60)}
    flat = {"tp_cost": 10, "fp_cost": 10}
    cases = document["cases"] = []
    for name, why, y, p, costs, config in (
            ("by hand", "contacted are the first three for 30, against 50 + 500 for nobody and 40 for everybody", [1, 0, 1, 0], [0.5, 0.25, 0.125, 0],
             flat | {"fn_cost": [50, 1000, 500, 200]}, {}),
            ("published decisions", "the example of cost_loss of empulse: 3", [0, 1, 1, 0], [0, 1, 0, 0],
             {"fp_cost": [4, 1, 2, 2], "fn_cost": [1, 3, 3, 1]}, {"threshold": 0.5}),
            ("published costs", "the same costs with the probabilities of the example of expected_savings_score", [0, 1, 1, 0], [0.4, 0.8, 0.75, 0.1],
             {"fp_cost": [4, 1, 2, 2], "fn_cost": [1, 3, 3, 1]}, {}),
            ("one cost for all", "a single threshold", y60, p60, flat | {"fn_cost": 60}, {}),
            ("four columns", "random", y60, p60, every, {}),
            ("four columns, one threshold", "random, contacted above one half", y60, p60, every, {"threshold": 0.5}),
            ("a threshold of 0", "a probability of 0 is not above it", [1, 0, 1], [0, 0.001, 1], flat | {"fn_cost": 60}, {"threshold": 0}),
            ("a perfect model", "right decisions cost nothing", [1, 0, 1], [1, 0, 1], {"fp_cost": 3, "fn_cost": [10, 20, 30]}, {}),
            ("worse than nothing", "the savings are below 0", [1, 0, 0], [0.1, 0.9, 0.9], flat | {"fn_cost": 50}, {}),
            ("on the threshold", "a probability of exactly one half: contacting costs as much and is not done", [1, 0], [0.5, 0.5],
             {"fp_cost": 1, "fn_cost": 1}, {}),
            ("contacting always pays", "-4/6: even a probability of 0 is above it", [0, 1], [0, 0.5], {"fp_cost": -1, "fn_cost": 10, "tn_cost": 3}, {}),
            ("contacting never pays", "10/7: a certain churner costs 8 and not 5", [1, 0], [1, 0.5], {"tp_cost": 8, "fp_cost": 10, "fn_cost": 5}, {}),
            ("denominators of 0", "contacting changes both costs alike: by 5, by -5, and not at all", [1, 1, 0], [1, 0, 0.5],
             {"tp_cost": [7, 1, 4], "fp_cost": [5, 1, 9], "tn_cost": [0, 6, 9], "fn_cost": [2, 6, 4]}, {}),
            ("no own threshold, one for all", "where contacting pays below a probability, a threshold of the caller still has its cost", [1, 0, 1],
             [0.5, 0.25, 0.125], {"tp_cost": 100, "fp_cost": 1, "fn_cost": 50}, {"threshold": 0.2}),
            ("gains", "contacting nobody costs nothing, so there is no share of it to save", [1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1],
             {"tp_cost": -56, "fp_cost": 11}, {}),
            ("a baseline below 0", "everybody earns 20", [1, 1, 0], [0.9, 0.1, 0.5], {"tp_cost": -20, "fp_cost": 20}, {}),
            ("only churners", "both kinds of outcome are not needed", [1, 1], [0.5, 0.1], flat | {"fn_cost": 60}, {}),
            ("one customer", "who stays, and whom nobody contacts: there is nothing to save", [0], [0.25], flat | {"fn_cost": 20}, {}),
            ("nothing costs anything", "all four costs left out", [1, 0], [0.5, 0.1], {}, {}),
            ("a negative zero", "is a probability of 0", [1, 0], [-0.0, 0.0], flat | {"fn_cost": [11, 1000]}, {}),
            ("large beside small", "the largest costs that are allowed, and cents", [1, 0, 1, 0], [0.75, 0.5, 0.25, 0.125],
             {"tp_cost": [0.01, 1e12, 0.25, 3], "fp_cost": [1e12, 1e12, 0.5, 7], "tn_cost": [-1e12, 1e12, 0.5, 0.01], "fn_cost": [1e12, 1e12, 1.25, 9.5]},
             {})):
        case = {"name": name, "why": why, "y": y, "p": p, "costs": costs, "config": config, "expected": savings(y, p, costs, config)}
        if not name.startswith("no own"):
            customers = len(y) if any(isinstance(c, list) for c in costs.values()) else 1
            case["thresholds"] = [threshold(*row) for row in matrices(costs, customers)]
        cases.append(case)
    by_name = {c["name"]: c for c in cases}
    hand = by_name["by hand"]
    assert list(hand["expected"].values())[1:7] == [3, 30, 550, 40, 0.25, 471.25] and hand["thresholds"] == [0.2, 0.01, 0.02, 0.05]
    assert by_name["published decisions"]["expected"]["cost"] == 3 and by_name["a perfect model"]["expected"]["savings"] == 1
    assert by_name["denominators of 0"]["thresholds"] == ["inf", "-inf", "inf"] and by_name["denominators of 0"]["expected"]["contacted"] == 1

    errors = document["errors"] = []

    def error(name, code, line=None, calls=("savings",), **arguments):
        where = {} if line is None else {"line": line}
        errors.extend({"name": f"{name}: {call}", "call": call} | {"y": [0, 1], "p": [0.2, 0.9], "costs": flat} | arguments | {"error": code} | where
                      for call in calls)

    both = ("savings", "cost_thresholds")
    error("a probability too few", "shape_mismatch", p=[0.2])
    error("a cost too few", "shape_mismatch", costs={"fn_cost": [1]})
    error("costs of two lengths", "shape_mismatch", calls=both, costs={"fp_cost": [1, 2], "fn_cost": [1]})
    error("nobody", "too_few_rows", y=[], p=[])
    error("NaN", "invalid_probability", 2, p=[0.2, None])
    error("above 1", "invalid_probability", 1, p=[1.0000001, 0.9])
    for cost in (None, 1e13, -1e13):
        error(f"a cost of {cost}", "invalid_parameter", 2, both, costs=flat | {"fn_cost": [50, cost]})
    error("a cost of all too high", "invalid_parameter", None, both, costs=flat | {"fn_cost": 1e13})
    error("churners cost more if contacted", "invalid_parameter", 2, both, costs=flat | {"fn_cost": [50, -0.25]})
    for value in (-0.1, 1.1):
        error(f"threshold {value}", "invalid_parameter", config={"threshold": value})
    return document


# ---------------------------------------------------------------- compare.json

def log_loss(y, p):
    p = min(max(p, 1e-15), 1 - 1e-15)
    return -(decimal(p) if y else 1 - decimal(p)).ln()


def variance(numbers):
    mean = sum(numbers) / len(numbers)
    return sum((x - mean) ** 2 for x in numbers) / (len(numbers) - 1)


def comparison(y, a, b, confidence=0.95):
    """DeLong, DeLong and Clarke-Pearson by their definition, a pair of rows at a time."""
    z = decimal(NormalDist().inv_cdf((1 + confidence) / 2))
    ones, zeros = [i for i, v in enumerate(y) if v], [i for i, v in enumerate(y) if not v]
    psi = lambda s, i, j: Fraction(int(s[i] > s[j]) * 2 + int(s[i] == s[j]), 2)
    of_ones = [[sum(psi(s, i, j) for j in zeros) / len(zeros) for i in ones] for s in (a, b)]
    of_zeros = [[sum(psi(s, i, j) for i in ones) / len(ones) for j in zeros] for s in (a, b)]
    auc = [sum(v) / len(ones) for v in of_ones]
    auc_variance = sum(variance([v - u for u, v in zip(*both)]) / len(both[0]) for both in (of_ones, of_zeros))
    loss = [[log_loss(v, p) for v, p in zip(y, s)] for s in (a, b)]
    loss_variance = variance([v - u for u, v in zip(*loss)]) / len(y)

    def measure(first, second, squared):
        first, second, error = decimal(first), decimal(second), decimal(squared).sqrt()
        difference = second - first
        return {"a": float(first), "b": float(second), "difference": float(difference), "standard_error": float(error),
                "low": float(difference - z * error), "high": float(difference + z * error)}

    return {"n": len(y), "log_loss": measure(sum(loss[0]) / len(y), sum(loss[1]) / len(y), loss_variance), "roc_auc": measure(*auc, auc_variance)}


def compare_cases():
    y50, p50 = drawn(9, 50, 3)
    rng = random.Random(10)
    noisy = lambda p, width, digits: [round(min(max(v + rng.uniform(-width, width), 0), 1), digits) for v in p]
    y200, p200 = drawn(11, 200, 2)
    noisy50, noisy200 = noisy(p50, 0.3, 3), noisy(p200, 0.25, 1)
    data = [
        ("four rows by hand", "AUC 3/4 and 1; V differs by 0, 1/2 and 1/2, 0, so the standard error is sqrt(1/8)", [1, 1, 0, 0], [0.9, 0.4, 0.6, 0.1],
         [0.9, 0.7, 0.6, 0.1], {}),
        ("the same model twice", "no difference, no error", y50, p50, p50, {}),
        ("noise added", "fifty rows", y50, p50, noisy50, {}),
        ("noise taken away", "the models of the case before exchanged: the signs change and nothing else", y50, noisy50, p50, {}),
        ("reversed", "the opposite of a model", y50, p50, [round(1 - v, 3) for v in p50], {}),
        ("heavy ties", "one decimal against two", y200, p200, noisy200, {}),
        ("all equal", "a model against the base rate for everybody", y50, p50, [0.4] * 50, {}),
        ("the same ranking", "the AUC does not differ, the log-loss does", y50, p50, [v * v for v in p50], {}),
        ("certain, and sometimes wrong", "p of exactly 0 and 1", [0, 1, 1, 0, 1, 0], [0, 1, 0, 0, 1, 1], [0.2, 0.9, 0.6, 0.4, 0.8, 0.3], {}),
        ("a confidence of 80 %", "the noise again, narrower", y50, p50, noisy50, {"confidence": 0.8}),
        ("a negative zero", "ties with zero", [1, 0, 1, 0], [0.0, -0.0, 0.5, 0.2], [0.1, 0.0, 0.3, -0.0], {}),
    ]
    cases = [{"name": n, "why": w, "y": y, "a": a, "b": b, "config": c, "expected": comparison(y, a, b, **c)} for n, w, y, a, b, c in data]
    hand = cases[0]["expected"]["roc_auc"]
    assert (hand["a"], hand["b"]) == (0.75, 1) and math.isclose(hand["standard_error"], math.sqrt(1 / 8))
    assert set(cases[1]["expected"]["roc_auc"].values()) == {cases[1]["expected"]["roc_auc"]["a"], 0}
    assert all(cases[2]["expected"][m]["low"] == -cases[3]["expected"][m]["high"] for m in ("log_loss", "roc_auc"))
    y, p = [0, 1, 0, 1], [0.2, 0.9, 0.4, 0.6]
    bad = [("a is shorter", y, p[:3], p, {}, "shape_mismatch"), ("b is shorter", y, p, p[:3], {}, "shape_mismatch"),
           ("NaN in a", y, [0.2, None, 0.4, 0.6], p, {}, "invalid_probability"),
           ("above 1 in b", y, p, [0.2, 1.0000001, 0.4, 0.6], {}, "invalid_probability"), ("empty", [], [], [], {}, "too_few_rows"),
           ("no churner", [0] * 4, p, p, {}, "one_class"), ("only churners", [1] * 4, p, p, {}, "one_class"),
           ("one churner", [0, 0, 0, 1], p, p, {}, "one_class"), ("one who stayed", [1, 1, 1, 0], p, p, {}, "one_class"),
           *((f"confidence {c}", y, p, p, {"confidence": c}, "invalid_parameter") for c in (0, 1, -0.5, 95))]
    return {"note": "Two models on the same rows: log-loss with the paired standard error, AUC by DeLong. In errors, an a or b of null stands for "
            "NaN. Exact fractions and 50-digit decimals, rounded once to f64. Agree to 1e-9 relative, 1e-12 absolute.", "cases": cases,
            "errors": [dict(zip(("name", "y", "a", "b", "config", "error"), e)) for e in bad]}


if __name__ == "__main__":
    main({"profit": profit_cases, "costs": costs_cases, "compare": compare_cases})
