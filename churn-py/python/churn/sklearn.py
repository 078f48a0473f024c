"""Estimators for scikit-learn: features of a log, and a classifier for any numeric table.

>>> from sklearn.pipeline import make_pipeline
>>> from churn.sklearn import ChurnClassifier, RfmFeatures
>>> import churn
>>> past = frame[frame["event_date"] <= "2023-12-31"]
>>> outcome = churn.labels(events, "2023-12-31", active_within_days=None)
>>> pipeline = make_pipeline(RfmFeatures(as_of="2023-12-31"), ChurnClassifier())
>>> risk = pipeline.fit(past, outcome.churned).predict_proba(past)[:, 1]
>>> len(risk) == past["customer_id"].nunique()
True

scikit-learn 1.6 or later is needed. :func:`churn.train` does more than this classifier: it chooses cutoffs and judges
out of time. The model of a fitted classifier, which explains and is one document in every language, is its attribute
`model_`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.utils import _safe_indexing, column_or_1d
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import (
    _check_sample_weight,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)

from churn._churn import Events, Model, features, train_matrix, train_table

__all__ = ["ChurnClassifier", "RfmFeatures"]


class RfmFeatures(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[misc, call-arg]
    """The features of every customer of a transactions frame, with the scales of the frame it was fitted on.

    Many rows go in and one row a customer comes out, in byte order of the ids: labels must have that order, as those of
    :func:`churn.labels` have.

    Parameters
    ----------
    as_of : date or str, optional
        The day that customers are seen from. The last day of each frame if left out.
    feature_set : {"rfm", "behavioral"}, default "rfm"
    columns : dict, optional
        The names of `customer_id`, `event_date`, `amount`, `event_type` and `order_id` in the frame, where they differ.
    date_format : str, optional
        A strptime format for dates that are text, instead of YYYY-MM-DD.
    merge : {"none", "day"}, default "none"
        With "day", all rows of a customer that share their day and event type are one event.
    windows : dict, optional
        `recent_days`, `activity_days`, `full_days`.
    top_event_types : int, default 8
        Of the behavioral set: how many event types get a column.

    Attributes
    ----------
    scales_ : dict
        What a score of 100 stands for.
    feature_names_out_ : list of str

    Examples
    --------
    >>> from churn.sklearn import RfmFeatures
    >>> transformer = RfmFeatures(as_of="2023-12-31").fit(frame)
    >>> list(transformer.transform(frame).columns[:2])
    ['recency_score', 'frequency_score']
    """

    def __init__(
        self,
        *,
        as_of: Any = None,
        feature_set: str = "rfm",
        columns: dict[str, str] | None = None,
        date_format: str | None = None,
        merge: str = "none",
        windows: dict[str, int] | None = None,
        top_event_types: int = 8,
    ) -> None:
        self.as_of = as_of
        self.feature_set = feature_set
        self.columns = columns
        self.date_format = date_format
        self.merge = merge
        self.windows = windows
        self.top_event_types = top_event_types

    def fit(self, X: Any, y: Any = None) -> RfmFeatures:
        """Fit the scales, and choose the event types that get a column.

        Parameters
        ----------
        X : table
            Transactions: whatever :meth:`churn.Events.from_table` takes.
        y : ignored
        """
        settings: dict[str, Any] = {"feature_set": self.feature_set, "top_event_types": self.top_event_types}
        if self.windows is not None:
            settings["windows"] = self.windows
        table = features(self._events(X), self.as_of, **settings)
        config = table.config
        assert config is not None, "features of events have settings"
        self._config = config
        self.scales_ = table.scales
        self.feature_names_out_ = table.names
        return self

    def transform(self, X: Any) -> Any:
        """Give the features, one row a customer: for a pandas frame a frame with the ids as index, else an array."""
        check_is_fitted(self)
        table = features(self._events(X), self.as_of, **self._config)
        if type(X).__module__.partition(".")[0] == "pandas":
            return table.to_pandas().set_index("customer_id")
        return table.to_numpy()

    def get_feature_names_out(self, input_features: Any = None) -> Any:
        """Give the names of the features."""
        check_is_fitted(self)
        return np.asarray(self.feature_names_out_, dtype=object)

    def _events(self, X: Any) -> Events:
        options: dict[str, Any] = {"date_format": self.date_format, "merge": self.merge}
        if self.columns is not None:
            options["columns"] = self.columns
        return Events.from_table(X, **options)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # A frame of transactions is no matrix of numbers.
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.input_tags.allow_nan = True
        tags.no_validation = True
        return tags


class ChurnClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Logistic regression, random forest or gradient boosting with calibrated probabilities, for any table.

    Missing values are learned from. The columns of a data frame that are not numbers (text, categories, enums) are
    categories; a level that was not seen in training counts as missing, or as "any other" of many levels. A fit with
    the same seed has the same bits on every machine.

    Parameters
    ----------
    model : {"gradient_boosting", "random_forest", "logistic_regression", "auto"}, default "gradient_boosting"
        With `"auto"`, learners, settings and weighted means of them are compared on parts of the rows.
    seed : int, default 0
    calibration : {"auto", "none", "platt", "isotonic"}, default "auto"
        How scores become probabilities, on five folds. Where a class has fewer rows than there are folds, `"auto"`
        leaves it out. The model `"auto"` and an evaluation need 50 rows, and five of each class.
    class_weight : None, "balanced" or dict, default None
        Weights bend probabilities; after `"balanced"` the calibration bends them back. A dict has a weight for each
        class.
    l2 : float, default 1.0
        Logistic regression: the penalty on standardised coefficients.
    trees : int, default 100
        Random forest.
    rounds : int, optional
        Boosting; up to 1,000, stopped early, if left out.
    learning_rate : float, default 0.1
        Boosting.
    max_depth : int, optional
        Trees; what helps unseen rows most if left out.
    min_child_weight : float, optional
    leaf_l2 : float, optional
        Boosting.
    row_sample : float, default 1.0
        Boosting: the share of the rows that each tree is grown on.
    column_sample : float, default 0.7
        Boosting: the share of the features that each tree may split by.
    features_per_split : int, optional
        Random forest; the square root of their number if left out.
    time_budget : float, optional
        `"auto"`: seconds that a fit may take.
    evaluation : bool, default False
        Whether a fit is evaluated on a fifth of the rows that it has not seen, before it learns from all rows:
        `model_.evaluation`, which a report needs. It takes about twice the time.

    Attributes
    ----------
    classes_ : array of two
        The second is the one that probabilities are of.
    n_features_in_ : int
    feature_names_in_ : array of str
        Of a data frame.
    model_ : Model
        The fitted model: it explains and is saved as a document.
    feature_importances_ : array of shape (features,)
        The share of each feature in what the splits explain. Of trees.
    coef_ : array of shape (1, features)
        On the scales of the features, before calibration. Of logistic regression on numbers.
    intercept_ : array of shape (1,)

    Examples
    --------
    >>> import numpy as np
    >>> from churn.sklearn import ChurnClassifier
    >>> x = np.arange(200.0).reshape(-1, 1)
    >>> classifier = ChurnClassifier("gradient_boosting").fit(x, x[:, 0] > 100)
    >>> classifier.predict([[3.0], [180.0]])
    array([False,  True])
    """

    def __init__(
        self,
        model: str = "gradient_boosting",
        *,
        seed: int = 0,
        calibration: str = "auto",
        class_weight: str | dict[Any, float] | None = None,
        l2: float = 1.0,
        trees: int = 100,
        rounds: int | None = None,
        learning_rate: float = 0.1,
        max_depth: int | None = None,
        min_child_weight: float | None = None,
        leaf_l2: float | None = None,
        row_sample: float = 1.0,
        column_sample: float = 0.7,
        features_per_split: int | None = None,
        time_budget: float | None = None,
        evaluation: bool = False,
    ) -> None:
        self.model = model
        self.seed = seed
        self.calibration = calibration
        self.class_weight = class_weight
        self.l2 = l2
        self.trees = trees
        self.rounds = rounds
        self.learning_rate = learning_rate
        self.max_depth = max_depth
        self.min_child_weight = min_child_weight
        self.leaf_l2 = leaf_l2
        self.row_sample = row_sample
        self.column_sample = column_sample
        self.features_per_split = features_per_split
        self.time_budget = time_budget
        self.evaluation = evaluation

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> ChurnClassifier:
        """Fit to rows × features and a class of two for each row.

        Parameters
        ----------
        X : array-like of shape (rows, features)
        y : array-like of shape (rows,)
        sample_weight : array-like of shape (rows,), optional
            0 leaves a row out. A weight of two is not quite the same as two rows: the folds of the calibration, the
            samples of a forest and the standardisation of logistic regression go by rows.
        """
        _refuse_other_rows(X, "y", y)
        _refuse_other_rows(X, "sample_weight", sample_weight)
        has_categories = _has_categories(X)
        if has_categories:
            X = _with_levels_as_text(X)
            validate_data(self, X, skip_check_array=True)
            y = column_or_1d(y, warn=True)
            check_consistent_length(X, y)
        else:
            X, y = validate_data(self, X, y, dtype=np.float64, ensure_all_finite="allow-nan", order="C")
        check_classification_targets(y)
        kind = type_of_target(y, input_name="y", raise_unknown=True)
        if not (self.class_weight is None or isinstance(self.class_weight, dict) or self.class_weight == "balanced"):
            raise ValueError(f"class_weight is {self.class_weight!r}; expected None, 'balanced' or a dict")
        if kind != "binary":
            raise ValueError(f"Only binary classification is supported. The type of the target is {kind}.")
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"The classifier needs two classes; y has one class only: {self.classes_[0]!r}")
        if isinstance(self.class_weight, dict):
            by_class = compute_sample_weight(self.class_weight, y)
            sample_weight = by_class if sample_weight is None else by_class * np.asarray(sample_weight)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, y, dtype=np.float64, ensure_non_negative=True)
            used = np.flatnonzero(sample_weight > 0)
            X, codes, sample_weight = _safe_indexing(X, used), codes[used], sample_weight[used]
        of_class = np.bincount(codes, minlength=2)
        if min(of_class) == 0:
            raise ValueError("The classifier needs two classes; all rows of one class have the weight 0")
        settings = self.get_params(deep=False)
        settings["class_weight"] = "balanced" if self.class_weight == "balanced" else "none"
        if min(of_class) < _FOLDS and self.model != "auto":
            settings.update(_without_folds(settings))
        self._has_categories = has_categories
        if has_categories:
            self.model_ = _of_frame(X, codes == 1, sample_weight, settings)
        else:
            names = [str(name) for name in getattr(self, "feature_names_in_", range(X.shape[1]))]
            self.model_ = train_matrix(np.ascontiguousarray(X), names, codes == 1, sample_weight, **settings)
        return self

    def predict_proba(self, X: Any) -> Any:
        """Give the probability of each class, rows × 2."""
        check_is_fitted(self)
        if self._has_categories:
            if not hasattr(X, "columns"):
                raise ValueError(
                    f"X is a {type(X).__name__}; expected a data frame, like the one that was learned from"
                )
            X = _with_levels_as_text(X)
            validate_data(self, X, reset=False, skip_check_array=True)
        else:
            X = validate_data(self, X, reset=False, dtype=np.float64, ensure_all_finite="allow-nan", order="C")
        p = self.model_.probabilities(X)
        return np.column_stack([1.0 - p, p])

    def predict(self, X: Any) -> Any:
        """Give the class of each row: the second where its probability is a half or more."""
        p = self.predict_proba(X)[:, 1]
        return self.classes_[(p >= 0.5).astype(int)]

    @property
    def feature_importances_(self) -> Any:
        """The share of each feature in what the splits explain."""
        check_is_fitted(self)
        importances = self.model_.split_importance()
        if importances is None:
            raise AttributeError("feature_importances_ are those of trees with splits; this model has none")
        return importances

    @property
    def coef_(self) -> Any:
        """The coefficients of a logistic regression, 1 × features."""
        return self._coefficients()[1].reshape(1, -1)

    @property
    def intercept_(self) -> Any:
        """The intercept of a logistic regression."""
        return np.array([self._coefficients()[0]])

    def _coefficients(self) -> tuple[float, Any]:
        check_is_fitted(self)
        coefficients = self.model_.coefficients()
        if coefficients is None:
            raise AttributeError(
                "coef_ and intercept_ are those of a logistic regression on numbers; this is another model"
            )
        return coefficients

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = True
        return tags


def _refuse_other_rows(X: Any, name: str, values: Any) -> None:
    """Refuse a Series whose index has other ids, or the same in another order. Numbers of rows are no ids."""
    index, other = getattr(X, "index", None), getattr(values, "index", None)
    if index is None or other is None or callable(index) or callable(other) or len(index) != len(other):
        return
    numbers = hasattr(index, "start") or hasattr(other, "start")
    # The numbers of the same rows in another order are ids all the same.
    if not index.equals(other) and (not numbers or index.isin(other).all()):
        raise ValueError(
            f"{name} has another index than X; expected the same customers in the same order: {name}.loc[X.index], or "
            f"{name}.to_numpy() if the rows are in order"
        )


def _has_categories(X: Any) -> bool:
    """Tell if a data frame of pandas or Polars has a column that is no number."""
    dtypes = getattr(X, "dtypes", None)
    if dtypes is None or not hasattr(X, "columns"):
        return False
    if hasattr(X, "iloc"):
        # Boolean, signed, unsigned, floating: extension types have the kind of their numbers.
        return any(getattr(dtype, "kind", "O") not in "biuf" for dtype in dtypes)
    return any(not (dtype.is_numeric() or str(dtype) == "Boolean") for dtype in dtypes)


def _with_levels_as_text(X: Any) -> Any:
    """A pandas frame whose categories of numbers are categories of text: the core takes numbers for numbers."""
    if not hasattr(X, "iloc"):
        return X
    categories = {name: getattr(dtype, "categories", None) for name, dtype in X.dtypes.items()}
    of_numbers = [name for name, levels in categories.items() if levels is not None and levels.dtype.kind in "biuf"]
    return X.assign(**{name: X[name].cat.rename_categories(str) for name in of_numbers}) if of_numbers else X


def _of_frame(X: Any, churned: Any, sample_weight: Any, settings: dict[str, Any]) -> Model:
    """Train on a frame, with the outcomes and the weights as further columns."""

    def unused(name: str) -> str:
        while name in X.columns:
            name += "_"
        return name

    label, weight = unused("churned"), None if sample_weight is None else unused("weight")
    added = {label: churned} if weight is None else {label: churned, weight: sample_weight}
    if hasattr(X, "iloc"):
        frame = X.assign(**added)
    else:
        import polars

        frame = X.with_columns(polars.Series(name, values) for name, values in added.items())
    return train_table(frame, label, weight=weight, **settings)


_FOLDS = 5


def _without_folds(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings with which nothing is left to be found on folds."""
    defaults: dict[str, Any] = {"max_depth": 3, "rounds": 100, "leaf_l2": 1.0}
    chosen = {name: value for name, value in defaults.items() if settings[name] is None}
    if settings["calibration"] == "auto":
        chosen["calibration"] = "none"
    return chosen
