"""The other half of the comparison of contributions: gives the models that `cargo run --release --example explain` wrote to
the shap package, computes the contributions of the same rows, and prints the table of docs/explain.md.

    python examples/python/explain.py OUT_DIR

Needs numpy and shap. Exits 1 if any contribution, base or margin differs by more than 1e-9 (where the package works in
single precision: 1e-6).

The package knows thresholds only. A split by levels becomes a chain of thresholds between the levels' indices, with the
subtrees below repeated; its covers are shared out among the copies, which leaves both kinds of contributions what they are,
since the package takes all questions about one feature on a way as one.

Its interventional contributions of trees are in single precision: thresholds, weights and sums (0.51.0, tree_shap_indep).
So values are given to it as their ranks among the thresholds, which single precision holds, and what is left is its
rounding. To compare in double precision too, its path-dependent code, which is in doubles, is given the trees once for each
background row, with the covers that this row alone would leave (1 on its way, ALMOST_NONE off it), and the mean is taken;
that is a hundred times the work, so every fifth row has to do.
"""

import csv
import json
import sys
from pathlib import Path

import numpy as np
import shap

LEARNERS = ["logistic_regression", "random_forest", "gradient_boosting"]
TOLERANCE, TOLERANCE_SINGLE = 1e-9, 1e-6

ROW_BY_ROW = 5

# The cover where no row goes: the package divides by it, so it cannot be 0. Its share in the result is about this large.
ALMOST_NONE = 1e-13


def read(path):
    """Contributions, bases and margins of the rows; and their values."""
    with open(path, encoding="ascii") as file:
        names, *rows = csv.reader(file)
    numbers = np.array([[float(field) if field else np.nan for field in row] for row in rows])
    width = sum(name.startswith("x") for name in names)
    return (numbers[:, width : 2 * width], numbers[:, -2], numbers[:, -1]), numbers[:, :width]


class Rebuilt:
    """A tree of the document as the lists that the package takes."""

    def __init__(self, tree, features, factor):
        self.tree, self.features, self.factor = tree, features, factor
        self.left, self.right, self.default, self.feature, self.threshold, self.value, self.cover = ([] for _ in range(7))
        self.node(0, 1.0)

    def push(self, feature=-1, threshold=0.0, value=0.0, cover=0.0):
        for column, entry in [(self.left, -1), (self.right, -1), (self.default, -1), (self.feature, feature),
                              (self.threshold, threshold), (self.value, value), (self.cover, cover)]:
            column.append(entry)
        return len(self.feature) - 1

    def join(self, at, left, right, missing_left):
        self.left[at], self.right[at] = left, right
        self.default[at] = left if missing_left else right
        self.cover[at] = self.cover[left] + self.cover[right]
        return at

    def node(self, node, share):
        """Adds a node with everything below it, its covers multiplied with the share; returns its place."""
        tree = self.tree
        feature = tree["feature"][node]
        if feature == -1:
            return self.push(value=tree["value"][node] * self.factor, cover=tree["cover"][node] * share)
        left, right, missing_left = tree["left"][node], tree["right"][node], tree["missing_left"][node] == 1
        if str(node) not in tree["levels"]:
            at = self.push(feature, tree["threshold"][node])
            return self.join(at, self.node(left, share), self.node(right, share), missing_left)
        # Runs of levels that go the same way: (the last level of the run, whether it goes left).
        goes_left = [level in tree["levels"][str(node)] for level in range(len(self.features[feature]["levels"]))]
        runs = [(i, way) for i, way in enumerate(goes_left) if goes_left[i + 1 : i + 2] != [way]]
        # Both sides exist, whatever the levels: a missing value may go where no level does.
        if all(way == runs[0][1] for _, way in runs):
            runs.append((runs[-1][0] + 1, not runs[0][1]))
        copies = {way: sum(w == way for _, w in runs) for way in (True, False)}
        return self.chain(feature, runs, copies, (left, right), missing_left, share)

    def chain(self, feature, runs, copies, children, missing_left, share):
        (last, way), rest = runs[0], runs[1:]
        child = children[0 if way else 1]
        if not rest:
            return self.node(child, share / copies[way])
        at = self.push(feature, last + 0.5)
        here = self.node(child, share / copies[way])
        there = self.chain(feature, rest, copies, children, missing_left, share)
        return self.join(at, here, there, way == missing_left)

    def document(self):
        return {
            "children_left": np.array(self.left), "children_right": np.array(self.right),
            "children_default": np.array(self.default), "features": np.array(self.feature),
            "thresholds": np.array(self.threshold, dtype=np.float64),
            "values": np.array(self.value, dtype=np.float64).reshape(-1, 1),
            "node_sample_weight": np.array(self.cover, dtype=np.float64),
        }


def rebuilt(document):
    """The trees as the package takes them, and what is added to their sum."""
    ((kind, learner),) = document["learner"].items()
    factor = 1.0 if kind == "gradient_boosting" else 1 / len(learner["trees"])
    return [Rebuilt(tree, document["features"], factor).document() for tree in learner["trees"]], learner.get("base", 0.0)


def tree_explainer(trees, base, masker=None):
    model = {"trees": trees, "base_offset": base, "internal_dtype": np.float64, "input_dtype": np.float64}
    kind = "tree_path_dependent" if masker is None else "interventional"
    return shap.TreeExplainer(model, masker, feature_perturbation=kind)


def explain_trees(document, x, background):
    """Contributions and base by TreeExplainer, against the background if there is one."""
    trees, base = rebuilt(document)
    masker = None
    if background is not None:
        trees, x, background = ranked(trees, x, background)
        masker = shap.maskers.Independent(background, max_samples=len(background))
    explainer = tree_explainer(trees, base, masker)
    contributions = explainer.shap_values(x, check_additivity=False)
    return contributions.reshape(x.shape), float(np.ravel(explainer.expected_value)[0])


def ranked(trees, x, background):
    """The same with every threshold replaced by its rank among those of the feature, every value by the rank of the first
    threshold that it does not exceed."""
    x, background = x.copy(), background.copy()
    trees = [dict(tree, thresholds=tree["thresholds"].copy()) for tree in trees]
    for feature in range(x.shape[1]):
        asked = [tree["features"] == feature for tree in trees]
        thresholds = np.unique(np.concatenate([tree["thresholds"][at] for tree, at in zip(trees, asked)]))
        for tree, at in zip(trees, asked):
            tree["thresholds"][at] = np.searchsorted(thresholds, tree["thresholds"][at])
        for values in (x[:, feature], background[:, feature]):
            present = ~np.isnan(values)
            values[present] = np.searchsorted(thresholds, values[present])
    return trees, x, background


def explain_trees_row_by_row(document, x, background):
    """Interventional contributions and base in double precision: see the head of this file."""
    trees, base = rebuilt(document)
    contributions, bases = np.zeros(x.shape), []
    for row in background:
        explainer = tree_explainer([with_covers_of(tree, row) for tree in trees], base)
        contributions += explainer.shap_values(x, check_additivity=False).reshape(x.shape)
        bases.append(float(np.ravel(explainer.expected_value)[0]))
    return contributions / len(background), float(np.mean(bases))


def with_covers_of(tree, row):
    """A tree with the covers that one row leaves. Parents stand before their children."""
    left, right, default = (tree[f"children_{side}"] for side in ("left", "right", "default"))
    cover = np.ones(len(left))
    for node in np.flatnonzero(left >= 0):
        value = row[tree["features"][node]]
        way = default[node] if np.isnan(value) else left[node] if value <= tree["thresholds"][node] else right[node]
        cover[left[node]] = cover[right[node]] = cover[node] * ALMOST_NONE
        cover[way] = cover[node]
    return dict(tree, node_sample_weight=cover)


def design(terms, x):
    """The standardised columns of the terms."""
    columns = []
    for term in terms:
        value, kind = x[:, term["feature"]], term["kind"]
        if kind == "missing":
            raw = np.isnan(value).astype(float)
        elif "median" in kind:
            raw = np.where(np.isnan(value), kind["median"], value)
        else:
            raw = (value == kind["level"]).astype(float)
        columns.append(np.clip((raw - term["mean"]) / term["scale"], -1e6, 1e6))
    return np.array(columns).T


def explain_logistic(document, x, background):
    """Contributions and base by LinearExplainer on the terms, then summed over the terms of a feature. Without a background
    the training rows are it: every standardised column has mean 0 over them."""
    logistic = document["learner"]["logistic_regression"]
    terms = logistic["terms"]
    reference = np.zeros((1, len(terms))) if background is None else design(terms, background)
    coefficients = np.array([term["coefficient"] for term in terms])
    masker = shap.maskers.Independent(reference, max_samples=len(reference))
    explainer = shap.LinearExplainer((coefficients, logistic["intercept"]), masker)
    contributions = np.zeros(x.shape)
    for column, term in zip(explainer.shap_values(design(terms, x)).T, terms):
        contributions[:, term["feature"]] += column
    return contributions, float(np.ravel(explainer.expected_value)[0])


def difference(explanation, theirs):
    """The largest difference of any contribution, of the base, or of the margin."""
    (contributions, base, margin), (their_contributions, their_base) = explanation, theirs
    sums = their_base + their_contributions.sum(axis=1)
    return max(float(np.abs(d).max()) for d in (contributions - their_contributions, base - their_base, margin - sums))


def compare(folder):
    """Of a model: how many rows were compared and the largest difference; path-dependent, interventional, and interventional
    where the package computes in single precision."""
    document = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    background = np.array([[np.nan if v is None else v for v in row] for row in document["background"]], dtype=np.float64)
    ours, x = read(folder / "path_dependent.csv")
    ours_interventional, some = read(folder / "interventional.csv")
    if "logistic_regression" in document["learner"]:
        return [(len(x), difference(ours, explain_logistic(document, x, None))),
                (len(some), difference(ours_interventional, explain_logistic(document, some, background))), None]
    few = slice(None, None, ROW_BY_ROW)
    ours_few = [part[few] for part in ours_interventional]
    return [(len(x), difference(ours, explain_trees(document, x, None))),
            (len(some[few]), difference(ours_few, explain_trees_row_by_row(document, some[few], background))),
            (len(some), difference(ours_interventional, explain_trees(document, some, background)))]


def main(out):
    print(f"shap {shap.__version__}, numpy {np.__version__}\n")
    print("| data | learner | rows | path-dependent | rows | interventional | rows | in single precision |")
    print("|---|---|---|---|---|---|---|---|")
    names = sorted({f.name.removesuffix(f"_{learner}") for learner in LEARNERS for f in out.glob(f"*_{learner}")})
    if not names:
        sys.exit(f"{out}: no models; run the example explain first")
    within = True
    for name in names:
        for learner in LEARNERS:
            results = compare(out / f"{name}_{learner}")
            cells = [("", "") if result is None else (str(result[0]), f"{result[1]:.1e}") for result in results]
            print("|", " | ".join([name, learner, *(cell for pair in cells for cell in pair)]), "|", flush=True)
            for result, tolerance in zip(results, (TOLERANCE, TOLERANCE, TOLERANCE_SINGLE)):
                # Not a number is not within.
                within &= result is None or result[1] <= tolerance
    if not within:
        sys.exit(f"expected at most {TOLERANCE:.0e}, in single precision {TOLERANCE_SINGLE:.0e}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
