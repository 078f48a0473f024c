"""The learners of the peers, and ours from Python, at settings equal to ours as far as each has them.

    python learners.py PEER MODEL MATRIX COLUMNS [CHECK]

MODEL: boosting (100 rounds, depth 5, learning rate 0.1, 255 bins, leaf penalty 1, least child weight 1), forest (100 trees,
depth 10, square root of the features at a split, leaves of four rows or, for those that bound it so, of curvature 1) or
logistic (C = 1, standardised columns). Prints one JSON line: the seconds from a numpy matrix in memory to the fitted model,
each library's own binning or standardising included; the median of up to nine fits within a third of a second, so that short
ones are not measured cold.
With CHECK the probabilities of the test rows are written there, and the coefficients of a logistic model.
"""

import json
import math
import sys
import warnings
from pathlib import Path

import numpy as np

from process import measured, report, threads

SEED = 1


def drawn(x):
    """Features at a split: the square root of their number, rounded up for everybody."""
    return math.ceil(x.shape[1] ** 0.5)


def lightgbm_fit(x, y, settings):
    import lightgbm

    settings |= {"objective": "binary", "max_bin": 255, "num_threads": threads(), "verbosity": -1, "seed": SEED, "metric": "None"}
    # Given, so that no time is spent on trying which of both ways is faster; by columns was the faster one here.
    settings |= {"force_col_wise": True}

    def work():
        # Columns side by side are what it bins faster from.
        data = lightgbm.Dataset(np.asfortranarray(x), y, params=settings)
        return lightgbm.train(settings, data, num_boost_round=100)

    return work, lambda model, rows: model.predict(rows)


def lightgbm_boosting(x, y):
    return lightgbm_fit(x, y, {
        "max_depth": 5, "num_leaves": 32, "learning_rate": 0.1, "lambda_l2": 1.0, "min_sum_hessian_in_leaf": 1.0,
        "min_data_in_leaf": 1,
    })


def lightgbm_forest(x, y):
    return lightgbm_fit(x, y, {
        "boosting": "rf", "max_depth": 10, "num_leaves": 1024, "bagging_freq": 1, "bagging_fraction": 0.632,
        "feature_fraction_bynode": drawn(x) / x.shape[1], "min_data_in_leaf": 1, "min_sum_hessian_in_leaf": 1.0,
    })


def xgboost_boosting(x, y):
    import xgboost

    settings = {
        "objective": "binary:logistic", "tree_method": "hist", "max_depth": 5, "eta": 0.1, "lambda": 1.0,
        "min_child_weight": 1.0, "max_bin": 255, "nthread": threads(), "seed": SEED,
    }

    def work():
        data = xgboost.QuantileDMatrix(x, y, max_bin=255, nthread=threads())
        return xgboost.train(settings, data, num_boost_round=100)

    return work, lambda model, rows: model.inplace_predict(rows)


def xgboost_forest(x, y):
    import xgboost

    model = xgboost.XGBRFClassifier(
        n_estimators=100, max_depth=10, subsample=0.632, colsample_bynode=drawn(x) / x.shape[1], tree_method="hist",
        max_bin=255, n_jobs=threads(), random_state=SEED)
    return lambda: model.fit(x, y), lambda model, rows: model.predict_proba(rows)[:, 1]


def catboost_boosting(x, y, **growth):
    import catboost

    # One Newton step a leaf and no randomness, as with the others; its trees are symmetric unless told otherwise.
    model = catboost.CatBoostClassifier(
        iterations=100, depth=5, learning_rate=0.1, l2_leaf_reg=1.0, border_count=254, bootstrap_type="No",
        boosting_type="Plain", random_strength=0, leaf_estimation_iterations=1, thread_count=threads(), random_seed=SEED,
        verbose=False, allow_writing_files=False, **growth)
    return lambda: model.fit(catboost.Pool(x, y)), lambda model, rows: model.predict_proba(rows)[:, 1]


def catboost_depthwise_boosting(x, y):
    return catboost_boosting(x, y, grow_policy="Depthwise", min_data_in_leaf=1)


def sklearn_forest(x, y):
    from sklearn.ensemble import RandomForestClassifier

    model = RandomForestClassifier(
        n_estimators=100, max_depth=10, max_features=drawn(x), min_samples_leaf=4, n_jobs=threads(), random_state=SEED)
    return lambda: model.fit(x, y), lambda model, rows: model.predict_proba(rows)[:, 1]


# With these each solver comes within 1e-6 of the exact coefficients; ten times looser ones do not suffice at every size.
TOLERANCE = {"newton-cholesky": 1e-8, "newton-cg": 1e-8, "lbfgs": 1e-8}


def sklearn_logistic(solver):
    def plan(x, y):
        from sklearn.linear_model import LogisticRegression
        from sklearn.preprocessing import StandardScaler

        scaler = StandardScaler()
        model = LogisticRegression(C=1.0, solver=solver, tol=TOLERANCE[solver], max_iter=10_000)
        return (lambda: model.fit(scaler.fit_transform(x), y),
                lambda model, rows: model.predict_proba(scaler.transform(rows))[:, 1])

    return plan


def ours(model, **settings):
    """Our own package, at the settings that examples/rust/benchmark/learners.rs has."""

    def plan(x, y):
        from churn.sklearn import ChurnClassifier

        classifier = ChurnClassifier(
            model, calibration="none", l2=1.0, trees=100, rounds=100, learning_rate=0.1, leaf_l2=1.0, column_sample=1.0,
            **settings)
        return lambda: classifier.fit(x, y), lambda model, rows: model.predict_proba(rows)[:, 1]

    return plan


PEERS = {
    "boosting": {
        "churn": ours("gradient_boosting", max_depth=5, min_child_weight=1.0),
        "LightGBM": lightgbm_boosting,
        "XGBoost": xgboost_boosting,
        "CatBoost": catboost_boosting,
        "CatBoost-depthwise": catboost_depthwise_boosting,
    },
    "forest": {
        "churn": ours("random_forest", max_depth=10, min_child_weight=4.0),
        "LightGBM": lightgbm_forest,
        "XGBoost": xgboost_forest,
        "scikit-learn": sklearn_forest,
    },
    "logistic": {
        "churn": ours("logistic_regression"),
        **{f"scikit-learn-{solver}": sklearn_logistic(solver) for solver in TOLERANCE},
    },
}


def coefficients(fitted):
    """The intercept and the coefficients of the standardised columns."""
    if hasattr(fitted, "coef_"):
        return np.append(fitted.intercept_, fitted.coef_[0])
    # Ours stand in its document.
    learner = json.loads(fitted.model_.to_json())["learner"]["logistic_regression"]
    return np.array([learner["intercept"], *(term["coefficient"] for term in learner["terms"])])


def read(folder, name, columns):
    return np.fromfile(Path(folder) / f"{name}x.f64", "<f8").reshape(-1, columns), np.fromfile(Path(folder) / f"{name}y.u8", np.uint8)


def main(peer, model, folder, columns, check=None):
    x, y = read(folder, "", int(columns))
    work, predict = PEERS[model][peer](x, y)
    fitted, seconds = measured(work, 0.3)
    if check:
        out = Path(check)
        out.mkdir(parents=True, exist_ok=True)
        predict(fitted, read(folder, "test_", int(columns))[0]).astype("<f8").tofile(out / "p.f64")
        if model == "logistic":
            coefficients(fitted).astype("<f8").tofile(out / "coefficients.f64")
    report(**seconds)


if __name__ == "__main__":
    warnings.filterwarnings("ignore", category=UserWarning)
    main(*sys.argv[1:])
