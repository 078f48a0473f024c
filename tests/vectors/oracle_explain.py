"""Writes `explain.json`: contributions of features, by definition, and the reasons that they are in words.

    python tests/vectors/oracle_explain.py            rewrite the file
    python tests/vectors/oracle_explain.py --check    compare the file with what would be written; exit 1 if they differ

Standard library only, and nothing of the library under test. The Shapley value of a feature is the sum over all sets S of
the other features of |S|! (n - |S| - 1)! / n! * (v(S with it) - v(S)); every set is taken, in exact fractions, rounded once.
What v(S), the margin where only the features of S are known, means:

* tree_path_dependent, trees: the recursion of Lundberg, Erion and Lee 2018, Algorithm 1: at a split on a feature of S follow
  the row, else take both sides by their share of the cover.
* tree_path_dependent, logistic regression: the terms of a feature that is not in S are at their training means, so that
  their standardised values are 0.
* interventional: the mean over the background rows of the margin of the row with the features outside of S taken from the
  background row.

The margin is the log-odds before calibration; for a forest the mean of its rates.

A reason is a direction, the value, what is usual among those who stayed, and what is typical in the risk segment of the row
by the thresholds of the document. The typical values are found over a grid of made-up rows in the place of training rows: in
each segment the lower median of a number and the first of the most common levels of a category, where at least 20 of its rows
and half of them have a value.
"""

import json
import math
import sys
from collections import Counter
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from itertools import combinations, product

from score_document import FOLDER, encode, leaf, probability, score, term_value

PATH = FOLDER.parent / "explain.json"

# Of documents/expected.json, and why.
ROWS = {
    0: "everything missing",
    1: "a level that training had not seen",
    2: "far outside",
    3: "far outside, the other way",
    4: "zeros, and active missing",
    5: "usual",
    6: "two missing",
    10: "spend missing",
    13: "usual, and less spent",
    17: "at a threshold of spend",
    18: "the next number above that threshold of spend",
    19: "at a threshold of age",
    20: "the next number above that threshold of age",
}

# age, the index of plan in basic, gold, silver, a la carte; spend, active.
BACKGROUND = [
    [30, 0, 120.5, 1],
    [None, 2, 365.45, 0],
    [58, 1, None, 1],
    [44, None, 190.985, None],
    [21, 3, 12.25, 0],
]

# age, the index of plan, spend, active: every combination stands for a row of the training. The steps are uneven, so that
# medians are not the middle of a range.
GRID = list(product(
    [None, 18, 21, 25, 30, 36, 43, 51, 60.5, 70],
    [None, 0, 0, 1, 2, 2, 3],
    [None, 0, 12.25, 55.1, 120.5, 190.985, 240, 365.45, 1234.5],
    [None, 0, 1, 1],
))
LEARNERS = ("logistic_regression", "random_forest", "gradient_boosting", "average")
SEGMENTS = ["Low", "Medium", "High", "Critical"]
# Chosen, not found: the median of those who stayed, or the churn rates of the levels.
STAYED = {"age": 43, "spend": 190.25, "active": 1}
RATES = {"plan": [0.25, None, 0.5, 0.125]}
REASONS = 3


def exact(value):
    return None if value is None else Fraction(value)


def standardised(term, value):
    z = (Fraction(term_value(term, value)) - Fraction(term["mean"])) / Fraction(term["scale"])
    return min(max(z, Fraction(-10**6)), Fraction(10**6))


def expectation(tree, row, known, node=0):
    """Algorithm 1."""
    feature = tree["feature"][node]
    if feature == -1:
        return Fraction(tree["value"][node])
    sides = [tree["left"][node], tree["right"][node]]
    if feature in known:
        value, levels = row[feature], tree["levels"].get(str(node))
        if value is None:
            left = tree["missing_left"][node] == 1
        else:
            left = value in levels if levels is not None else value <= tree["threshold"][node]
        return expectation(tree, row, known, sides[0 if left else 1])
    covers = [Fraction(tree["cover"][side]) for side in sides]
    values = [expectation(tree, row, known, side) for side in sides]
    return sum(c * v for c, v in zip(covers, values)) / sum(covers)


def margin(learner, row, tree_value, terms_known=None):
    """The margin, given what a tree gives; with terms_known the other features' terms are 0."""
    ((kind, body),) = learner.items()
    if kind == "average":
        return sum(Fraction(m["weight"]) * margin(m["learner"], row, tree_value, terms_known) for m in body["members"])
    if kind == "logistic_regression":
        terms = [t for t in body["terms"] if terms_known is None or t["feature"] in terms_known]
        return Fraction(body["intercept"]) + sum(Fraction(t["coefficient"]) * standardised(t, row[t["feature"]]) for t in terms)
    trees = sum((tree_value(tree) for tree in body["trees"]), Fraction(0))
    return trees / len(body["trees"]) if kind == "random_forest" else Fraction(body["base"]) + trees


def path_dependent(learner, row, known):
    return margin(learner, row, lambda tree: expectation(tree, row, known), known)


def interventional(learner, row, known):
    total = Fraction(0)
    for other in BACKGROUND:
        mixed = [row[j] if j in known else other[j] for j in range(len(row))]
        total += margin(learner, mixed, lambda tree: Fraction(leaf(tree, mixed)))
    return total / len(BACKGROUND)


def shapley(value, n):
    """The Shapley values of a function of sets of 0..n, its value of the empty set and of the whole."""
    values = {frozenset(s): value(frozenset(s)) for size in range(n + 1) for s in combinations(range(n), size)}
    result = []
    for j in range(n):
        weight = lambda s: Fraction(math.factorial(len(s)) * math.factorial(n - len(s) - 1), math.factorial(n))
        result.append(sum(weight(s) * (values[s | {j}] - values[s]) for s in values if j not in s))
    base, whole = values[frozenset()], values[frozenset(range(n))]
    assert base + sum(result) == whole
    return result, base, whole


def read(name):
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


def segment(document, row):
    """The segment of the probability of a row, which must not be at a threshold but for rounding."""
    p = probability(document, row)
    bounds = [document["parameters"]["thresholds"][name] for name in ("medium", "high", "critical")]
    assert all(abs(p - bound) > 1e-9 for bound in bounds), (row, p)
    return SEGMENTS[sum(p >= bound for bound in bounds)]


def middle(feature, values):
    """The typical value of the rows of a segment."""
    present = sorted(value for value in values if value is not None)
    if len(present) < 20 or 2 * len(present) < len(values):
        return None
    if "levels" in feature:
        return min(Counter(present).items(), key=lambda item: (-item[1], item[0]))[0]
    return present[(len(present) - 1) // 2]


def typical(document):
    """The typical values of the features of a document, as they are to stand in it."""
    of = [segment(document, row) for row in GRID]
    found = []
    for j, feature in enumerate(document["features"]):
        name = feature["name"]
        column = [row[j] for row in GRID]
        numbers = [] if "levels" in feature else [value for value in column if value is not None]
        found.append({
            "stayed_median": STAYED.get(name), "range": [min(numbers), max(numbers)] if numbers else None,
            "churn_rates": RATES.get(name, []),
            "by_segment": [middle(feature, [v for v, s in zip(column, of) if s == name]) for name in SEGMENTS],
        })
    return found


def number(value, places=2):
    """Thousands separators, a true minus, no zeros at the end."""
    rounded = Decimal(value).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    text = f"{abs(rounded):,}"
    return ("\u2212" if rounded < 0 else "") + (text.rstrip("0").rstrip(".") if "." in text else text)


def percent(share):
    return number(100 * share, 0) + " %"


def fact(document, feature, typical_values, value, of):
    """A value in words, with what is usual and what is typical in the segment."""
    name, levels = feature["name"], feature.get("levels")
    if value is None:
        return f"{name} is missing"
    say = number if levels is None else lambda value: levels[int(value)]
    text = f"{name} is {say(value)}"
    if levels is not None:
        rate = typical_values["churn_rates"][int(value)]
        if rate is not None:
            everybody = document["training"]["base_rate"]
            text += f"; {percent(rate)} of such customers churned, {percent(everybody)} of all"
    else:
        usual = typical_values["stayed_median"]
        if say(value) == say(usual):
            text += ", as is usual among those who stayed"
        else:
            text += f"; for half of those who stayed it was {say(usual)} or {'less' if value > usual else 'more'}"
    there = typical_values["by_segment"][SEGMENTS.index(of)]
    return text if there is None else f"{text}; typical in {of}: {say(there)}"


def reasons(document, typical_values, row, contributions):
    """The reasons of a row, strongest first, as far as rounding cannot change their order."""
    order = sorted(range(len(row)), key=lambda j: -abs(contributions[j]))
    sizes = [abs(contributions[j]) for j in order] + [Fraction(0)]
    of, texts = segment(document, row), []
    for place, j in enumerate(order[:REASONS]):
        if sizes[place] - sizes[place + 1] < Fraction(1, 10**9):
            break
        direction = "raises the risk" if contributions[j] > 0 else "lowers the risk"
        texts.append(f"{direction}: {fact(document, document['features'][j], typical_values[j], row[j], of)}")
    return texts


def cases():
    rows = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))["rows"]
    made = []
    for kind in LEARNERS:
        name = f"{kind}_v1.json"
        document = read(name)
        features, learner = document["features"], document["learner"]
        typical_values = typical(document)
        for perturbation, value in (("tree_path_dependent", path_dependent), ("interventional", interventional)):
            for i, why in ROWS.items():
                row = [encode(feature, rows[i][feature["name"]]) for feature in features]
                contributions, base, whole = shapley(lambda known: value(learner, row, known), len(features))
                # The margin is that of the scorer, which gives a forest's as log-odds.
                log_odds = math.log(whole / (1 - whole)) if kind == "random_forest" else float(whole)
                assert math.isclose(log_odds, score(learner, row), rel_tol=1e-12, abs_tol=1e-12), (name, i)
                made.append({
                    "name": f"{kind}, {perturbation}, {why}", "document": name, "feature_perturbation": perturbation,
                    "row": rows[i], "base": float(base), "margin": float(whole),
                    "contributions": {f["name"]: float(c) for f, c in zip(features, contributions)},
                    "reasons": reasons(document, typical_values, row, contributions),
                })
    return made


def by_hand():
    """The sum over sets, on a tree whose values are worked by hand: x0 <= 0.5 gives 10 (60 rows); else the level 1 of x1 20
    (10 rows), another 40 (30 rows). Knowing nothing 20, x0 = 1 alone 35, x1 = 1 alone 14, both 20: 10.5 and -10.5."""
    tree = {
        "feature": [0, -1, 1, -1, -1], "threshold": [0.5, 0, 0, 0, 0], "levels": {"2": [1]}, "missing_left": [1, 0, 0, 0, 0],
        "left": [1, 0, 3, 0, 0], "right": [2, 0, 4, 0, 0], "value": [0, 10, 0, 20, 40], "cover": [100, 60, 40, 10, 30],
    }
    found = shapley(lambda known: expectation(tree, [1, 1], known), 2)
    assert found == ([Fraction(21, 2), Fraction(-21, 2)], 20, 20), found


def text():
    head = {
        "note": "Shapley values of every feature, by enumerating all sets of features in exact fractions: see oracle_explain.py. "
        "background is to stand in the document: rows of its features in their order, null where missing. Agree to 1e-12 "
        "relative or absolute. typical is to stand in each document too; the reasons in words begin with those of the case.",
        "background": BACKGROUND,
        "typical": {name: typical(read(name)) for name in map("{}_v1.json".format, LEARNERS)},
    }
    lines = ",\n".join(json.dumps(case) for case in cases())
    return json.dumps(head)[:-1] + ', "cases": [\n' + lines + "\n]}\n"


def main():
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit("usage: oracle_explain.py [--check]")
    by_hand()
    made = text()
    if not sys.argv[1:]:
        PATH.write_text(made, encoding="ascii", newline="\n")
    elif not PATH.exists() or PATH.read_text(encoding="ascii") != made:
        sys.exit(f"{PATH.name} is not what would be written; run tests/vectors/oracle_explain.py")


if __name__ == "__main__":
    main()
