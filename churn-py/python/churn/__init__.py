"""Which customers are about to leave, why, and what to do about it.

From raw events (who, when, how much, what kind) to leak-free features and labels, calibrated risk, reasons in words,
and the list of whom to contact:

>>> import churn
>>> events = churn.Events.from_table(frame)  # pandas, Polars, pyarrow, DuckDB, a dict; or churn.read_csv(path)
>>> model = churn.train(events)
>>> predictions = model.predict(events)
>>> reasons = model.explain(events).reasons
>>> contacts = churn.profit.contact_list(predictions, budget=500.0)

The model was judged out of time, on customers and days that it had not seen:

>>> sorted(model.evaluation["metrics"])[:4]
['accuracy', 'base_rate', 'brier', 'ece']

In the examples of this package ``frame`` is a made-up log, ``events`` what was read of it, and ``model`` a model of it.
"""

from churn import errors, profit
from churn._churn import (
    Backtest,
    BacktestPredictions,
    Events,
    Explanation,
    FeatureStream,
    FeatureTable,
    Labels,
    Model,
    Predictions,
    SlippingList,
    SubscriptionLabels,
    Subscriptions,
    __version__,
    backtest,
    check,
    compare,
    compare_models,
    detect,
    evaluate,
    features,
    finding_codes,
    kaplan_meier,
    labels,
    load,
    movements,
    read_csv,
    read_parquet,
    read_subscriptions,
    retention,
    segment,
    segment_table,
    suggest,
    train,
    train_table,
)
from churn._report import report
from churn.errors import ChurnError

__all__ = [
    "Backtest",
    "BacktestPredictions",
    "ChurnError",
    "Events",
    "Explanation",
    "FeatureStream",
    "FeatureTable",
    "Labels",
    "Model",
    "Predictions",
    "SlippingList",
    "SubscriptionLabels",
    "Subscriptions",
    "__version__",
    "backtest",
    "check",
    "compare",
    "compare_models",
    "detect",
    "errors",
    "evaluate",
    "features",
    "finding_codes",
    "kaplan_meier",
    "labels",
    "load",
    "movements",
    "profit",
    "read_csv",
    "read_parquet",
    "read_subscriptions",
    "report",
    "retention",
    "segment",
    "segment_table",
    "suggest",
    "train",
    "train_table",
]
