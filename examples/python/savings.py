"""Savings with the costs of each customer, by churn and by empulse, on the same out-of-fold probabilities: prints the table of
docs/campaign.md, and exits 1 if the two differ by more than 1e-12.

    python examples/python/savings.py DATA_DIR     # churn_tv_subscriptions.csv or .csv.xz in DATA_DIR

Needs the wheel of this package, numpy and empulse 0.13.1. The data set is part of empulse (`load_churn_tv_subscriptions`): 9,379
customers of a cable TV company, 46 features without names, what each decision costs for each customer, and who left. Customers
with equal features are in the same of five folds.
"""

import csv
import lzma
import sys
from pathlib import Path

import churn
import numpy as np
from empulse.metrics import cost_loss, expected_cost_loss, expected_savings_score, savings_score

LEARNERS = ["logistic_regression", "random_forest", "gradient_boosting"]
COSTS = {"tp_cost": "C_TP", "fp_cost": "C_FP", "tn_cost": "C_TN", "fn_cost": "C_FN"}
FOLDS = 5


def read(folder):
    path = folder / "churn_tv_subscriptions.csv"
    with open(path) if path.exists() else lzma.open(f"{path}.xz", "rt") as file:
        rows = list(csv.DictReader(file))
    return {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}


def out_of_fold(features, churned, learner):
    """The probability of each customer by a model that has not seen the customer, nor one with equal features."""
    same = np.unique(np.column_stack(list(features.values())), axis=0, return_inverse=True)[1].ravel()
    p = np.full(len(churned), np.nan)
    for fold in range(FOLDS):
        test = same % FOLDS == fold
        part = {name: column[~test] for name, column in features.items()} | {"churned": churned[~test] == 1}
        model = churn.train_table(part, model=learner)
        p[test] = model.predict({name: column[test] for name, column in features.items()}).churn_probability
    return p


def of_empulse(y, p, costs, threshold):
    decided = p if threshold is None else (p > threshold).astype(float)
    return {
        "cost": cost_loss(y, decided, **costs),
        "cost_none": cost_loss(y, np.zeros(len(y)), **costs),
        "cost_all": cost_loss(y, np.ones(len(y)), **costs),
        "savings": savings_score(y, decided, **costs),
        "expected_cost": expected_cost_loss(y, p, **costs) * len(y),
        "expected_savings": expected_savings_score(y, p, **costs),
    }


def main(folder):
    table = read(Path(folder))
    y, costs = table["target"], {name: table[column] for name, column in COSTS.items()}
    features = {name: column for name, column in table.items() if name.startswith("x")}
    own = churn.profit.cost_thresholds(**costs)
    worst = np.abs(own / expected_cost_loss.optimal_threshold(y, own, **costs) - 1).max()
    print("| learner | threshold | contacted | cost | savings | expected savings |")
    print("|---|---|---|---|---|---|")
    for learner in LEARNERS:
        p = out_of_fold(features, y, learner)
        for name, threshold in (("own", None), ("mean", float(own.mean())), ("0.5", 0.5)):
            ours = churn.profit.savings(y, p, **costs, threshold=threshold)
            for key, theirs in of_empulse(y, p, costs, threshold).items():
                worst = max(worst, abs(ours[key] - theirs) / max(abs(theirs), 1))
            print(f"| {learner} | {name} | {ours['contacted']} | {ours['cost']:.0f} | {ours['savings']:.4f} | "
                  f"{ours['expected_savings']:.4f} |")
    print(f"contacting nobody costs {ours['cost_none']:.0f}, everybody {ours['cost_all']:.0f}; own thresholds are from "
          f"{own.min():.4f} to {own.max():.4f}")
    print(f"largest difference from empulse: {worst:.1e}")
    return 0 if worst <= 1e-12 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
