"""The other half of the accuracy comparison: fits scikit-learn, LightGBM and XGBoost on the rows, features and folds that
`cargo run --release --example accuracy` wrote, and prints the table of docs/accuracy.md.

    python examples/python/accuracy.py OUT_DIR

Needs numpy, pandas, scikit-learn, lightgbm and xgboost. Categories are one-hot for the peers. Settings: boosting 100
rounds, depth 5, learning rate 0.1; forests 100 trees, depth 10; logistic C = 1 on standardised columns.
"""

import sys
import warnings
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
import xgboost
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

warnings.filterwarnings("ignore")

PEERS = {
    "logistic": {
        "scikit-learn": lambda: make_pipeline(StandardScaler(), LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-10)),
    },
    "boosting": {
        "scikit-learn": lambda: HistGradientBoostingClassifier(max_iter=100, max_depth=5, learning_rate=0.1, early_stopping=False),
        "LightGBM": lambda: lightgbm.LGBMClassifier(n_estimators=100, max_depth=5, num_leaves=32, learning_rate=0.1, verbose=-1),
        "XGBoost": lambda: xgboost.XGBClassifier(n_estimators=100, max_depth=5, learning_rate=0.1, tree_method="hist"),
    },
    "forest": {
        "scikit-learn": lambda: RandomForestClassifier(n_estimators=100, max_depth=10, random_state=0, n_jobs=-1),
        "LightGBM": lambda: lightgbm.LGBMClassifier(
            boosting_type="rf", n_estimators=100, max_depth=10, num_leaves=1024, bagging_freq=1, bagging_fraction=0.632,
            feature_fraction_bynode=0.4, min_child_samples=1, verbose=-1),
        "XGBoost": lambda: xgboost.XGBRFClassifier(n_estimators=100, max_depth=10, colsample_bynode=0.4, subsample=0.632),
    },
}
OURS = {"logistic": ["logistic"], "boosting": ["boosting_same", "boosting_default"], "forest": ["forest_same", "forest_default"]}


def ece(y, p):
    """Ten equal-mass bins; rows of equal probability share their mean outcome."""
    mean = pd.Series(y).groupby(p).transform("mean").to_numpy()
    order = np.argsort(p, kind="stable")
    bins = [b for b in np.array_split(order, 10) if len(b)]
    return sum(len(b) / len(p) * abs(p[b].mean() - mean[b].mean()) for b in bins)


def folds(frame):
    for part in sorted(frame.part[frame.judged == 1].unique()):
        yield (frame.part != part).to_numpy(), (frame.part == part).to_numpy()


def scores(frame, y, p):
    """AUC and log-loss of each fold; out of time, of 50 resamples of the one test set instead."""
    tests = [test for _, test in folds(frame)]
    if len(tests) > 1:
        return np.array([[roc_auc_score(y[t], p[t]), log_loss(y[t], p[t])] for t in tests]), len(tests)
    rows = np.flatnonzero(tests[0])
    draws = [np.random.default_rng(i).choice(rows, len(rows)) for i in range(50)]
    return np.array([[roc_auc_score(y[d], p[d]), log_loss(y[d], p[d])] for d in draws]), 1


def main(folder):
    print("| data | learner | ours AUC | peer AUC | ours log-loss | peer log-loss | ours ECE | peer ECE | best peer | within |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    met = True
    for path in sorted(Path(folder).glob("*.csv")):
        frame = pd.read_csv(path)
        y = frame.churned.map(lambda v: {"Yes": 1, "No": 0}.get(v, v)).astype(int).to_numpy()
        x = frame[[c for c in frame if c.startswith("x:")]]
        text = [c for c in x if not pd.api.types.is_numeric_dtype(x[c])]
        x = pd.get_dummies(x, columns=text, dtype=float)
        x.columns = [f"f{i}" for i in range(x.shape[1])]
        imputed = x.fillna(x.median()).join(x.isna().loc[:, x.isna().any()].astype(float), rsuffix="_missing")
        judged = frame.judged.to_numpy() == 1
        for learner, peers in PEERS.items():
            results = {}
            for name, make in peers.items():
                p = np.full(len(y), np.nan)
                data = x if learner == "boosting" else imputed
                for learn, test in folds(frame):
                    p[test] = make().fit(data[learn], y[learn]).predict_proba(data[test])[:, 1]
                results[name] = p
            for ours in OURS[learner]:
                mine = frame[f"p:{ours}"].to_numpy()
                table, n = scores(frame, y, mine)
                peer = {name: scores(frame, y, p)[0] for name, p in results.items()}
                best_auc = max(peer, key=lambda name: peer[name][:, 0].mean())
                best_loss = min(peer, key=lambda name: peer[name][:, 1].mean())
                # One standard error of the paired differences; resamples already vary like an error of their mean.
                lag_auc, lag_loss = peer[best_auc][:, 0] - table[:, 0], table[:, 1] - peer[best_loss][:, 1]
                error = lambda lag: lag.std(ddof=1) / (np.sqrt(n) if n > 1 else 1)
                ok = lag_auc.mean() <= max(0.002, error(lag_auc)) and lag_loss.mean() <= max(0.003, error(lag_loss))
                met &= ok
                print(f"| {path.stem} | {ours} | {table[:, 0].mean():.4f} | {peer[best_auc][:, 0].mean():.4f} | "
                      f"{table[:, 1].mean():.4f} | {peer[best_loss][:, 1].mean():.4f} | {ece(y[judged], mine[judged]):.4f} | "
                      f"{ece(y[judged], results[best_loss][judged]):.4f} | {best_auc}, {best_loss} | {'yes' if ok else 'NO'} |", flush=True)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
