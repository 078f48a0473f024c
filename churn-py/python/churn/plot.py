"""Charts of models, backtests and explanations, drawn with matplotlib (``pip install "openchurn[plot]"``).

``model.plot``, ``backtest.plot`` and ``explanation.plot`` have them as methods. Each method draws on the axes that it
is given, or on new ones, and returns them.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from churn._churn import Backtest, Explanation, Model

__all__ = ["BacktestPlots", "ExplanationPlots", "ModelPlots"]

_MODEL, _OTHER, _GREY = "#1f77b4", "#d95f02", "#888888"
_BANDS = {"Low": "#4c9f70", "Medium": "#e6b450", "High": "#e07b39", "Critical": "#b8323a"}


def _axes(ax: Any, title: str, x: str, y: str) -> Any:
    """Give the axes to draw on, with their words."""
    if ax is None:
        try:
            from matplotlib import pyplot
        except ImportError as error:
            raise ImportError('charts need matplotlib: pip install "openchurn[plot]"') from error
        _, ax = pyplot.subplots(layout="constrained")
    ax.set(title=title, xlabel=x, ylabel=y)
    return ax


def _text(name: str) -> str:
    """Give a name as it is: what stands between two dollars would be drawn as a formula."""
    return name.replace("$", r"\$")


def _bars(rows: list[Any], length: str, most: int, ax: Any, x: str) -> Any:
    """Draw a bar for each feature, the first on top."""
    if most < 0:
        raise ValueError(f"most is {most}; expected 0 or more")
    ax = _axes(ax, "Importance of the features", x, "")
    rows = rows[:most][::-1]
    ax.barh([_text(row["feature"]) for row in rows], [row[length] for row in rows], color=_MODEL)
    return ax


def _over_time(cutoffs: list[Any], mean: Any, ax: Any) -> Any:
    """Draw the AUC at each cutoff beside recency alone, and the interval of the mean."""
    if not cutoffs:
        raise ValueError("there are no cutoffs: the model was judged on held-out customers and not out of time")
    ax = _axes(ax, "AUC at past days", "day of the prediction", "AUC")
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    days = [datetime.date.fromisoformat(row["cutoff"]) for row in cutoffs]
    ax.axhspan(mean["low"], mean["high"], color=_MODEL, alpha=0.15, label="95 % interval of the mean")
    ax.axhline(mean["mean"], color=_MODEL, linewidth=1)
    ax.plot(days, [row["roc_auc"] for row in cutoffs], "o-", color=_MODEL, label="model")
    recency = [np.nan if row["recency_auc"] is None else row["recency_auc"] for row in cutoffs]
    if not np.isnan(recency).all():
        ax.plot(days, recency, "s--", color=_OTHER, label="recency alone")
    locator = AutoDateLocator()
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    ax.legend()
    return ax


def _calibration(bins: list[Any], ax: Any) -> Any:
    """Draw the observed churn rate of equally large groups, with their standard errors, beside the predicted one."""
    ax = _axes(ax, "Predicted and observed churn", "predicted probability", "observed churn rate")
    predicted, observed, n = (np.array([row[key] for row in bins]) for key in ("predicted", "observed", "customers"))
    ax.plot([0, 1], [0, 1], ":", color=_GREY, label="as predicted")
    # One customer more with each outcome: otherwise groups in which all or none churned would look certain.
    rate = (observed * n + 1) / (n + 2)
    error = np.sqrt(rate * (1 - rate) / n)
    ax.errorbar(predicted, observed, yerr=error, fmt="o-", color=_MODEL, capsize=2, label="observed ± standard error")
    ax.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    ax.legend()
    return ax


def _segments(rows: list[Any], ax: Any) -> Any:
    """Draw the observed churn rate of each risk band, with the band itself behind it."""
    ax = _axes(ax, "Risk bands and what was observed", "risk band, and its customers", "churn rate")
    for at, row in enumerate(rows):
        ax.bar(at, row["to"] - row["from"], bottom=row["from"], width=0.8, color=_BANDS[row["segment"]], alpha=0.2)
        if row["observed_rate"] is not None:
            ax.bar(at, row["observed_rate"], width=0.4, color=_BANDS[row["segment"]])
    ax.set_xticks(range(len(rows)), [f"{row['segment']}\n{row['customers']:,}" for row in rows])
    ax.set_ylim(0, 1)
    return ax


class BacktestPlots:
    """The charts of a backtest."""

    def __init__(self, backtest: Backtest) -> None:
        self._backtest = backtest

    def over_time(self, ax: Any = None) -> Any:
        """Draw the AUC at each cutoff beside that of recency alone, and the 95 % interval of the mean."""
        return _over_time(self._backtest.cutoffs, self._backtest.roc_auc, ax)

    def calibration(self, ax: Any = None) -> Any:
        """Draw predicted and observed churn of groups of about the same size."""
        return _calibration(self._backtest.reliability, ax)

    def segments(self, ax: Any = None) -> Any:
        """Draw the observed churn rate of each risk band; the band is shown behind it."""
        return _segments(self._backtest.segments, ax)


class ModelPlots:
    """The charts of a model's evaluation, on customers and days that it had not seen.

    Examples
    --------
    >>> axes = model.plot.calibration()  # doctest: +SKIP
    """

    def __init__(self, model: Model) -> None:
        self._model = model

    def _evaluation(self) -> Any:
        evaluation = self._model.evaluation
        if evaluation is None:
            raise ValueError("the model has no evaluation: train with evaluation=True")
        return evaluation

    def over_time(self, ax: Any = None) -> Any:
        """Draw the AUC at each cutoff beside that of recency alone, and the 95 % interval of the mean."""
        found = self._evaluation()["over_time"] or {"cutoffs": [], "roc_auc": None}
        return _over_time(found["cutoffs"], found["roc_auc"], ax)

    def calibration(self, ax: Any = None) -> Any:
        """Draw predicted and observed churn of groups of about the same size."""
        return _calibration(self._evaluation()["curves"]["reliability"], ax)

    def gain(self, ax: Any = None) -> Any:
        """Draw the share of the churners who are reached by contacting a share of the customers, the riskiest first."""
        contacted, reached = zip(*self._evaluation()["curves"]["gain"])
        ax = _axes(ax, "Churners reached", "share of customers contacted", "share of churners among them")
        ax.plot(contacted, reached, color=_MODEL, label="by the model")
        ax.plot([0, 1], [0, 1], ":", color=_GREY, label="at random")
        ax.legend()
        return ax

    def lift(self, ax: Any = None) -> Any:
        """Draw how many times more churners are reached than at random, by the share of customers contacted."""
        contacted, reached = (np.array(values) for values in zip(*self._evaluation()["curves"]["gain"][1:]))
        ax = _axes(ax, "Lift", "share of customers contacted", "times the churners reached at random")
        ax.plot(contacted, reached / contacted, color=_MODEL)
        ax.axhline(1, linestyle=":", color=_GREY)
        return ax

    def segments(self, ax: Any = None) -> Any:
        """Draw the observed churn rate of each risk band; the band is shown behind it."""
        return _segments(self._evaluation()["segments"], ax)

    def importance(self, ax: Any = None, most: int = 15) -> Any:
        """Draw the permutation importance of the features: how much the log-loss rises when a feature is shuffled."""
        rows = self._evaluation()["importance"]
        return _bars(rows, "log_loss_increase", most, ax, "increase of the log-loss when shuffled")


class ExplanationPlots:
    """The charts of an explanation."""

    def __init__(self, explanation: Explanation) -> None:
        self._explanation = explanation

    def summary(self, ax: Any = None, most: int = 15) -> Any:
        """Draw the Shapley values of all customers, for the features whose mean absolute value is largest."""
        if most < 0:
            raise ValueError(f"most is {most}; expected 0 or more")
        unit = {"log_odds": "log-odds", "rate": "probability"}.get(self._explanation.output, self._explanation.output)
        ax = _axes(ax, "What raises and lowers the risk", f"Shapley value ({unit}); above 0 raises the risk", "")
        values = np.asarray(self._explanation.contributions)
        largest = np.argsort(-np.abs(values).mean(axis=0), kind="stable")[:most][::-1]
        for at, feature in enumerate(largest):
            # Spread by the order of the values and not at random: the same chart every time.
            spread = (np.arange(len(values)) * 0.618034 % 1 - 0.5) * 0.6
            ax.scatter(values[:, feature], at + spread, s=4, color=_MODEL, alpha=0.4, linewidths=0)
        ax.axvline(0, color=_GREY, linewidth=1)
        ax.set_yticks(range(len(largest)), [_text(self._explanation.names[feature]) for feature in largest])
        return ax

    def importance(self, ax: Any = None, most: int = 15) -> Any:
        """Draw the mean absolute Shapley value of the features."""
        return _bars(self._explanation.importance(), "mean_absolute", most, ax, "mean absolute Shapley value")
