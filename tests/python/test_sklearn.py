"""The estimators pass scikit-learn's own checks and work where its estimators work."""

from __future__ import annotations

import pickle
import warnings
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.6")

from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import SkipTestWarning
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks

import churn
from churn.sklearn import ChurnClassifier, RfmFeatures

EXPECTED_TO_FAIL = {
    "logistic_regression": {
        "check_sample_weight_equivalence_on_dense_data": "the folds of the calibration are dealt by row, and columns "
        "standardised by rows, whatever these weigh"
    },
    "random_forest": {
        "check_sample_weight_equivalence_on_dense_data": "samples are drawn by row, whatever these weigh, as with "
        "scikit-learn's own forest"
    },
    "gradient_boosting": {
        "check_sample_weight_equivalence_on_dense_data": "with a sample of the features, splits of different rows can "
        "be equally good, and which of them is taken depends on the rounding of the weights"
    },
}


def expected_to_fail(estimator: ChurnClassifier) -> dict[str, str]:
    if estimator.model == "gradient_boosting" and estimator.column_sample == 1.0:
        return {}
    return EXPECTED_TO_FAIL.get(estimator.model, {})


@parametrize_with_checks(
    [
        ChurnClassifier(),
        ChurnClassifier("random_forest"),
        ChurnClassifier("gradient_boosting", column_sample=1.0),
        ChurnClassifier(
            "gradient_boosting", calibration="none", rounds=50, max_depth=3, leaf_l2=1.0, column_sample=1.0
        ),
    ],
    expected_failed_checks=expected_to_fail,
)  # type: ignore[untyped-decorator]
def test_classifier_checks(estimator: Any, check: Any) -> None:
    check(estimator)


def test_transformer_checks() -> None:
    """Those for estimators that take no matrix; scikit-learn leaves the others out and warns that it does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SkipTestWarning)
        results = check_estimator(RfmFeatures(), on_skip=None)
    assert results
    assert all(result["status"] == "passed" for result in results)


def made(rows: int = 2000) -> tuple[Any, Any]:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(rows, 5))
    p = 1 / (1 + np.exp(-(x[:, 0] + x[:, 1] * x[:, 2])))
    x[draw.random(x.shape) < 0.05] = np.nan
    return x, draw.random(rows) < p


@pytest.mark.parametrize("model", ["logistic_regression", "random_forest", "gradient_boosting"])
def test_a_classifier_among_the_others(model: str) -> None:
    x, y = made()
    p = cross_val_predict(ChurnClassifier(model), x, y, method="predict_proba")[:, 1]
    assert roc_auc_score(y, p) > (0.65 if model == "logistic_regression" else 0.7)
    assert abs(p.mean() - y.mean()) < 0.03
    fitted = ChurnClassifier(model).fit(x, y)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict_proba(x), fitted.predict_proba(x))
    np.testing.assert_array_equal(clone(fitted).fit(x, y).predict_proba(x), fitted.predict_proba(x))


def test_pipelines_searches_and_calibration() -> None:
    x, y = made(600)
    pipeline = make_pipeline(StandardScaler(), ChurnClassifier())
    search = GridSearchCV(pipeline, {"churnclassifier__l2": [0.1, 10.0]}, scoring="neg_log_loss", cv=3).fit(x, y)
    assert search.best_params_["churnclassifier__l2"] in (0.1, 10.0)
    calibrated = CalibratedClassifierCV(ChurnClassifier("random_forest", calibration="none", trees=20), cv=3).fit(x, y)
    assert calibrated.predict_proba(x).shape == (600, 2)
    assert cross_val_score(ChurnClassifier("gradient_boosting"), x, y, scoring="roc_auc", cv=3).mean() > 0.6


def test_classes_and_weights() -> None:
    x, y = made(500)
    names = np.where(y, "left", "stayed")
    fitted = ChurnClassifier().fit(x, names)
    # The second in order is the one that probabilities are of.
    assert list(fitted.classes_) == ["left", "stayed"]
    assert set(fitted.predict(x)) <= {"left", "stayed"}
    weighted = ChurnClassifier(calibration="none").fit(x, y, sample_weight=np.where(y, 5.0, 1.0))
    by_class = ChurnClassifier(calibration="none", class_weight={True: 5.0, False: 1.0}).fit(x, y)
    np.testing.assert_array_equal(weighted.predict_proba(x), by_class.predict_proba(x))
    plain = ChurnClassifier(calibration="none").fit(x, y)
    assert weighted.predict_proba(x)[:, 1].mean() > plain.predict_proba(x)[:, 1].mean() + 0.1
    with pytest.raises(ValueError, match="Only binary classification"):
        ChurnClassifier().fit(x, np.arange(500) % 3)
    with pytest.raises(ValueError, match="class_weight"):
        ChurnClassifier(class_weight="heavy").fit(x, y)
    with pytest.raises(churn.errors.InvalidParameterError, match="model"):
        ChurnClassifier("best").fit(x, y)


def test_the_model_of_a_classifier() -> None:
    x, y = made(600)
    fitted = ChurnClassifier().fit(x, y)
    assert fitted.model_.evaluation is None
    np.testing.assert_array_equal(fitted.model_.probabilities(x), fitted.predict_proba(x)[:, 1])
    assert churn.Model.from_json(fitted.model_.to_json()).kind == "gradient_boosting"
    judged = ChurnClassifier(evaluation=True).fit(x, y)
    assert judged.model_.evaluation["metrics"]["roc_auc"] > 0.6
    # The outcome depends on the first three features alone, most on the first.
    importances = fitted.feature_importances_
    assert importances.shape == (5,)
    assert importances.sum() == pytest.approx(1)
    assert importances[0] == importances.max()
    assert importances[3:].max() < importances[:3].min()
    with pytest.raises(AttributeError, match="logistic regression"):
        _ = fitted.coef_


def test_coefficients_are_those_of_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression

    draw = np.random.default_rng(1)
    x = draw.normal([3.0, -1.0], [2.0, 0.5], size=(4000, 2))
    y = draw.random(4000) < 1 / (1 + np.exp(1 - x[:, 0] - 2 * x[:, 1]))
    # With next to no penalty, it does not matter that ours is on standardised columns.
    ours = ChurnClassifier("logistic_regression", l2=1e-9, calibration="none").fit(x, y)
    theirs = LogisticRegression(C=1e9, tol=1e-10).fit(x, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-4)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-4)
    with pytest.raises(AttributeError, match="trees"):
        _ = ours.feature_importances_


def test_categories_of_a_frame() -> None:
    draw = np.random.default_rng(2)
    plan = draw.choice(["basic", "gold", "silver"], 3000)
    y = draw.random(3000) < np.where(plan == "basic", 0.6, 0.1)
    x = {"usage": draw.normal(size=3000), "plan": plan, "churned": draw.normal(size=3000)}
    found = []
    for library in ("pandas", "polars"):
        module = pytest.importorskip(library)
        frame = module.DataFrame(x)
        kinds = {"pandas": "category", "polars": getattr(module, "Categorical", None)}
        categories = (
            frame.astype({"plan": kinds["pandas"]})
            if library == "pandas"
            else frame.with_columns(frame["plan"].cast(kinds["polars"]))
        )
        for of in (frame, categories):
            fitted = ChurnClassifier(rounds=20).fit(of, y, sample_weight=np.where(y, 2.0, 1.0))
            assert list(fitted.feature_names_in_) == ["usage", "plan", "churned"]
            assert roc_auc_score(y, fitted.predict_proba(of)[:, 1]) > 0.75
            assert fitted.feature_importances_[1] > 0.5
            found.append(fitted.predict_proba(of))
        # Columns that look like numbers when they come again are the levels that they were.
        codes = module.DataFrame({"usage": x["usage"], "code": np.where(plan == "basic", "7", "10")})
        by_code = ChurnClassifier(rounds=20).fit(codes, y)
        again = module.DataFrame({"usage": x["usage"], "code": np.where(plan == "basic", 7, 10)})
        np.testing.assert_array_equal(by_code.predict_proba(again), by_code.predict_proba(codes))
        with pytest.raises(ValueError, match="expected a data frame"):
            by_code.predict_proba(np.zeros((3, 2)))
        # A level that was not there counts as missing.
        other = module.DataFrame({"usage": [0.0, 0.0], "plan": ["basic", "platinum"], "churned": [0.0, 0.0]})
        p = fitted.predict_proba(other)[:, 1]
        assert p[0] > 0.5
        assert np.isfinite(p[1])
    for others in found[1:]:
        np.testing.assert_array_equal(others, found[0])


def test_categories_of_numbers_and_small_frames() -> None:
    pd = pytest.importorskip("pandas")
    draw = np.random.default_rng(3)
    code = draw.integers(1, 4, 400)
    y = draw.random(400) < np.array([0, 0.1, 0.9, 0.1])[code]
    frame = pd.DataFrame({"code": pd.Categorical(code), "usage": draw.normal(size=400)})
    # As a number, the code would say next to nothing to a sum.
    fitted = ChurnClassifier("logistic_regression").fit(frame, y)
    assert roc_auc_score(y, fitted.predict_proba(frame)[:, 1]) > 0.8
    assert not hasattr(fitted, "coef_")
    few = ChurnClassifier().fit(frame[:30], y[:30])
    assert few.predict_proba(frame).shape == (400, 2)
    searched = ChurnClassifier("auto", time_budget=20.0).fit(frame, y)
    assert roc_auc_score(y, searched.predict_proba(frame)[:, 1]) > 0.8
    shuffled = frame.sample(frac=1, random_state=1)
    with pytest.raises(ValueError, match="another index"):
        ChurnClassifier().fit(shuffled, pd.Series(y))


def test_auto_beside_a_single_learner() -> None:
    x, y = made(800)
    fitted = ChurnClassifier("auto", time_budget=20.0, evaluation=True).fit(x, y)
    assert len(fitted.model_.evaluation["candidates"]) > 3
    assert roc_auc_score(y, fitted.predict_proba(x)[:, 1]) > 0.7


def test_features_of_a_frame(events: churn.Events, columns: dict[str, list[Any]]) -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(columns)
    transformer = RfmFeatures(as_of="2023-12-31").fit(frame)
    table = churn.features(events, "2023-12-31")
    found = transformer.transform(frame)
    assert list(found.index) == table.customer_ids
    assert list(found.columns) == list(transformer.get_feature_names_out()) == table.names
    np.testing.assert_array_equal(found.to_numpy(), table.to_numpy())
    np.testing.assert_array_equal(transformer.transform(columns), table.to_numpy())
    # The scales are those of the frame that it was fitted on.
    few = frame[frame["customer_id"] < "c0010"]
    part = transformer.transform(few)
    np.testing.assert_array_equal(part.to_numpy(), found.loc[part.index].to_numpy())

    labels = churn.labels(events, "2023-12-31", active_within_days=None)
    pipeline = make_pipeline(
        RfmFeatures(as_of="2023-12-31", feature_set="behavioral"), ChurnClassifier("random_forest")
    )
    risk = pipeline.fit(frame, labels.churned).predict_proba(frame)[:, 1]
    assert roc_auc_score(labels.churned, risk) > 0.8
    renamed = frame.rename(columns={"customer_id": "who", "event_date": "day"})
    mapped = RfmFeatures(as_of="2023-12-31", columns={"customer_id": "who", "event_date": "day"}).fit_transform(renamed)
    np.testing.assert_array_equal(mapped.to_numpy(), found.to_numpy())
