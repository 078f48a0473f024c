"""An independent scorer of model documents: standard library only, and nothing of the Rust code in it.

It reads the documents in `documents/`, scores the rows of `documents/expected.json` and the documents' own golden rows,
and compares. What a document means, in short:

* features: names, and for a category its levels; a value is the index of its level, a level that is not listed is missing.
  Of more than 255 levels, one that is not listed is "(other)", and the learner takes the level's entry in level_log_odds.
* learner: a score in log-odds.
  - logistic_regression: intercept + sum of coefficient * (value - mean) / scale, the quotient within a million, over the terms; a term is a number (its
    median where missing; cut off at low and high where it has them), the indicator of a level, or the indicator of a missing value.
  - random_forest: the mean of the trees' values, kept within 1e-4 and 1 - 1e-4, as log-odds.
  - gradient_boosting: base + the sum of the trees' values.
  - average: the sum of the members' scores times their weights; each member has its own level_log_odds.
  A tree is a list per property. At a node with feature -1 it gives value; else it goes left if the feature is at most the
  threshold (or its level is listed for the node), or is missing and missing_left is 1, else right.
* calibration: identity, sigmoid(slope * score + offset), or straight lines between (scores, probabilities), flat outside.

    python tests/vectors/score_document.py           compares, exits 1 on a difference above 1e-12
    python tests/vectors/score_document.py --write   writes the probabilities into expected.json
    python tests/vectors/score_document.py --golden MODEL.json   compares the golden rows of any document
"""

import json
import math
import pathlib
import sys

FOLDER = pathlib.Path(__file__).parent / "documents"
TOLERANCE = 1e-12


def sigmoid(x):
    if x >= 0:
        return 1 / (1 + math.exp(-x))
    return math.exp(x) / (1 + math.exp(x))


def encode(feature, value):
    """A raw value as the document's number; None where it is missing."""
    levels = feature.get("levels")
    if value is None:
        return None
    if levels is not None:
        if len(levels) > 255 and value not in levels:
            value = "(other)"
        return levels.index(value) if value in levels else None
    return float(value)


def term_value(term, value):
    kind = term["kind"]
    if kind == "missing":
        return 1.0 if value is None else 0.0
    if "median" in kind:
        low, high = term.get("low", -math.inf), term.get("high", math.inf)
        return kind["median"] if value is None else min(max(value, low), high)
    return 1.0 if value == kind["level"] else 0.0


def leaf(tree, row):
    node = 0
    while tree["feature"][node] != -1:
        value = row[tree["feature"][node]]
        levels = tree["levels"].get(str(node))
        if value is None:
            left = tree["missing_left"][node] == 1
        elif levels is not None:
            left = value in levels
        else:
            left = value <= tree["threshold"][node]
        node = tree["left"][node] if left else tree["right"][node]
    return tree["value"][node]


def score(learner, row):
    (kind, body), = learner.items()
    if kind == "average":
        members = body["members"]
        return math.fsum(m["weight"] * score(m["learner"], as_taken(m.get("level_log_odds", []), row)) for m in members)
    if kind == "logistic_regression":
        terms = body["terms"]
        standardised = [(term_value(t, row[t["feature"]]) - t["mean"]) / t["scale"] for t in terms]
        standardised = [min(max(x, -1e6), 1e6) for x in standardised]
        return math.fsum([body["intercept"]] + [t["coefficient"] * x for t, x in zip(terms, standardised)])
    leaves = [leaf(tree, row) for tree in body["trees"]]
    if kind == "random_forest":
        rate = min(max(math.fsum(leaves) / len(leaves), 1e-4), 1 - 1e-4)
        return math.log(rate / (1 - rate))
    assert kind == "gradient_boosting", kind
    return math.fsum([body["base"]] + leaves)


def calibrated(calibration, x):
    if calibration == "identity":
        return sigmoid(x)
    (kind, body), = calibration.items()
    if kind == "platt":
        return sigmoid(body["slope"] * x + body["offset"])
    assert kind == "isotonic", kind
    points = list(zip(body["scores"], body["probabilities"]))
    if x <= points[0][0]:
        return points[0][1]
    for (x0, y0), (x1, y1) in zip(points, points[1:]):
        if x <= x1:
            return y0 + (y1 - y0) * (x - x0) / (x1 - x0)
    return points[-1][1]


def as_taken(level_log_odds, row):
    """The row with the log-odds of those levels that the learner takes as numbers."""
    row = list(row)
    for category in level_log_odds:
        value = row[category["feature"]]
        row[category["feature"]] = None if value is None else category["log_odds"][int(value)]
    return row


def probability(document, row):
    row = as_taken(document.get("level_log_odds", []), row)
    return calibrated(document["calibration"], score(document["learner"], row))


def golden_pairs(document):
    """Each golden row's probability as written, and as scored here."""
    return [(golden["probability"], probability(document, golden["features"])) for golden in document["golden"]]


def compare(name, pairs):
    """The largest difference; exits if it is above the tolerance."""
    for i, (written, scored) in enumerate(pairs):
        if not abs(written - scored) <= TOLERANCE:
            sys.exit(f"{name}: probability {i} is {scored!r}, the file says {written!r}")
    return max(abs(a - b) for a, b in pairs)


def main():
    if sys.argv[1:2] == ["--golden"]:
        pairs = golden_pairs(json.loads(pathlib.Path(sys.argv[2]).read_text(encoding="utf-8")))
        print(f"{len(pairs)} golden rows compared, largest difference {compare(sys.argv[2], pairs):.1e}")
        return
    write = sys.argv[1:] == ["--write"]
    path = FOLDER / "expected.json"
    expected = json.loads(path.read_text(encoding="utf-8"))
    names = sorted(file.name for file in FOLDER.glob("*_v*.json"))
    if not names or (not write and names != sorted(expected["probabilities"])):
        sys.exit(f"documents {names}, expected {sorted(expected['probabilities'])}")
    worst, compared = 0.0, 0
    for name in names:
        document = json.loads((FOLDER / name).read_text(encoding="utf-8"))
        features = document["features"]
        rows = [[encode(f, row[f["name"]]) for f in features] for row in expected["rows"]]
        probabilities = [probability(document, row) for row in rows]
        pairs = golden_pairs(document)
        if write:
            expected["probabilities"][name] = probabilities
        else:
            assert len(expected["probabilities"][name]) == len(rows), name
            pairs += list(zip(expected["probabilities"][name], probabilities))
        worst, compared = max(worst, compare(name, pairs)), compared + len(pairs)
    if write:
        head = {"note": expected["note"]}
        lines = ",\n    ".join(json.dumps(row, ensure_ascii=False) for row in expected["rows"])
        lists = ",\n    ".join(f"{json.dumps(name)}: {json.dumps(p)}" for name, p in expected["probabilities"].items())
        text = json.dumps(head, ensure_ascii=False)[:-1]
        path.write_text(f'{text},\n  "rows": [\n    {lines}\n  ],\n  "probabilities": {{\n    {lists}\n  }}\n}}\n', "utf-8")
    print(f"{len(names)} documents, {len(expected['rows'])} rows, {compared} probabilities compared, largest difference {worst:.1e}")


if __name__ == "__main__":
    main()
