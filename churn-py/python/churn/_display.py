"""What a notebook shows: tables and the curves of an evaluation, as HTML that stands alone."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from churn._churn import FeatureTable

if TYPE_CHECKING:
    from typing_extensions import TypeAlias

    from churn import Backtest, Events, Explanation, Model

    # A name, a color, and values by day.
    _Series: TypeAlias = tuple[str, str, list[tuple[datetime.date, float]]]

_SHOWN = 10
_BLUE, _ORANGE = "#1f77b4", "#d95f02"
_STYLE = 'font-size="10" fill="currentColor" text-anchor="middle"'


class Evaluation(dict[str, Any]):
    """How a model was judged on rows that it had not seen: a dict that shows its curves in a notebook."""

    def _repr_html_(self) -> str:
        metrics, logistic = self["metrics"], self["logistic_regression"]
        names = ["roc_auc", "pr_auc", "log_loss", "brier", "ece", "lift_10", "precision", "recall", "f1"]
        found = self.get("over_time")
        rows: list[tuple[str, ...]] = [(name, _number(metrics[name])) for name in names]
        if logistic is not None:
            rows = [(*row, _number(logistic[row[0]])) for row in rows]
        if found is not None:
            rows = [(*row, _interval(found[row[0]]) if row[0] in found else "") for row in rows]
        recency = self["recency_auc"]
        baseline = "" if recency is None else f"; recency alone has an AUC of {_number(recency)}"
        protocol = {"out_of_time": f"out of time, at {self['test_cutoff']}", "holdout": "on held-out customers"}
        how = protocol.get(self["protocol"], self["protocol"])
        head = f"Judged {how}: {metrics['n']} rows, {metrics['base_rate']:.1%} churned{baseline}."
        if found is not None:
            head += f" {_ranks(found)}"
        heads = ["measure", "model", *([] if logistic is None else ["logistic regression"])]
        heads += [] if found is None else [_basis(found)]
        curves = self["curves"]
        reliability = [(row["predicted"], row["observed"]) for row in curves["reliability"]]
        plots = "".join(
            [
                _plot("ROC", "false positive rate", "recall", curves["roc"], diagonal=True),
                _plot("Precision and recall", "recall", "precision", curves["precision_recall"], diagonal=False),
                _plot("Gain", "share contacted", "share of churners", curves["gain"], diagonal=True),
                _plot("Calibration", "predicted", "observed", reliability, diagonal=True),
            ]
        )
        return f"<p>{escape(head)}</p><div>{plots}</div>" + _table(heads, rows) + _segments(self["segments"])


def _basis(found: dict[str, Any]) -> str:
    """Say which judgements the intervals are about."""
    days = len(found["cutoffs"])
    return f"mean of {days} days, 95 % interval" if days > 1 else "95 % interval"


def _ranks(found: dict[str, Any]) -> str:
    """Say how well the model ranks, and how sure that is."""
    days, auc, recency = len(found["cutoffs"]), found["roc_auc"], found["recency_auc"]
    how = ["judged on held-out customers", "judged at one day"][days] if days < 2 else f"mean of {days} days"
    other = "" if recency is None else f"; sorting by the last event alone reaches {recency['mean']:.2f}"
    return f"AUC {auc['mean']:.2f} (95 % interval {max(auc['low'], 0):.2f} to {min(auc['high'], 1):.2f}), {how}{other}."


def events(log: Events) -> str:
    """Say what is in a log."""
    report, types = log.report, log.event_types
    shown = ", ".join(types[:_SHOWN]) + (", …" if len(types) > _SHOWN else "")
    rows = [
        ("events", f"{len(log):,}"),
        ("customers", f"{log.customers:,}"),
        ("days", f"{log.first_day} to {log.last_day}"),
        ("event types", shown or "none"),
        ("rows left out", f"{report['bad']:,} of {report['rows']:,}"),
    ]
    return _table(["Events", ""], rows)


def table(columns: Any) -> str:
    """Show the first rows of a table of ours."""
    rows = len(columns)
    if isinstance(columns, FeatureTable):
        names = ["customer_id", *columns.names]
        levels, values = columns.levels, columns.to_numpy()
        shown = []
        for i, customer in enumerate(columns.customer_ids[:_SHOWN]):
            cells = [
                "" if value != value else levels[name][int(value)] if name in levels else _number(value)
                for name, value in zip(columns.names, values[i])
            ]
            shown.append((customer, *cells))
    else:
        names = ["cutoff", "customer_id", "churned", "probability_before", "churn_probability", "value", "group"]
        names += ["risk_segment", "covered", "value_at_risk"]
        names = [name for name in names if getattr(columns, name, None) is not None]
        parts = [list(getattr(columns, name)[:_SHOWN]) for name in names]
        shown = [tuple(_number(cell) if isinstance(cell, float) else cell for cell in row) for row in zip(*parts)]
    rest = f"<p>{rows:,} rows</p>" if rows > _SHOWN else ""
    return f"<p>{escape(repr(columns))}</p>" + _table(names, shown) + rest


def explanation(found: Explanation) -> str:
    """Show the strongest features, and the reasons of the customers at the greatest risk."""
    importance = [(row["feature"], _number(row["mean_absolute"])) for row in found.importance()[:_SHOWN]]
    risk = found.churn_probability
    riskiest = sorted(range(len(found)), key=lambda row: -risk[row])[:_SHOWN]
    ids = found.customer_ids
    rows = [
        (ids[row], f"{risk[row]:.1%}", "; ".join(reason["text"] for reason in found.reasons_of(row)))
        for row in riskiest
    ]
    return (
        f"<p>{escape(repr(found))}</p>"
        + _table(["feature", "mean size of its contributions"], importance)
        + _table(["customer_id", "churn_probability", "reasons"], rows)
    )


def model(found: Model) -> str:
    """Say what a model is, how it was judged, and what it goes by."""
    warnings = "".join(f"<p><strong>{escape(text)}</strong></p>" for text in found.warnings)
    head = f"<p>{escape(repr(found))}</p><p>{escape(found.definition)}</p>{warnings}"
    if found.evaluation is None:
        return head
    evaluation = Evaluation(found.evaluation)
    importance = [(row["feature"], _number(row["log_loss_increase"])) for row in evaluation["importance"][:_SHOWN]]
    return head + evaluation._repr_html_() + _table(["feature", "log-loss without it, beyond that with it"], importance)


def backtest(found: Backtest) -> str:
    """Say how a recipe did at every cutoff, and beside which others."""
    cutoffs = found.cutoffs
    days = [datetime.date.fromisoformat(row["cutoff"]) for row in cutoffs]
    severe = (finding["message"] for finding in found.findings if finding["severity"] != "note")
    warnings = "".join(f"<p><strong>{escape(text)}</strong></p>" for text in severe)
    skipped = "".join(
        f"<p>{escape(row['cutoff'])} is left out: {escape(row['reason'])}</p>" for row in found.skipped[:_SHOWN]
    )
    recency = [(day, auc) for day, row in zip(days, cutoffs) if (auc := row["recency_auc"]) is not None]
    ranking: list[_Series] = [("model", _BLUE, [(day, row["roc_auc"]) for day, row in zip(days, cutoffs)])]
    ranking += [("recency alone", _ORANGE, recency)] if recency else []
    churners: list[_Series] = [
        ("expected", _BLUE, [(day, row["expected"]) for day, row in zip(days, cutoffs)]),
        ("observed", _ORANGE, [(day, float(row["churned"])) for day, row in zip(days, cutoffs)]),
    ]
    reliability = [(row["predicted"], row["observed"]) for row in found.reliability]
    plots = "".join(
        [
            _plot_days("AUC per cutoff", ranking, from_zero=False),
            _plot_days("Churners per cutoff", churners, from_zero=True),
            _plot("Calibration", "predicted", "observed", reliability, diagonal=True),
        ]
    )
    measures = ("roc_auc", "log_loss", "brier", "lift_10", "base_rate", "predicted_minus_observed", "recency_auc")
    means = [(name, mean) for name in measures if (mean := getattr(found, name)) is not None]
    rows = [(name, _number(mean["mean"]), f"{_number(mean['low'])} to {_number(mean['high'])}") for name, mean in means]
    others = [
        (
            other["name"],
            _number(other["mean_roc_auc"]),
            _interval(other["roc_auc"]),
            "" if other["log_loss"] is None else _interval(other["log_loss"]),
            f"{other['cutoffs_won']} of {len(cutoffs)}",
        )
        for other in found.against
    ]
    return (
        f"<p>{escape(repr(found))}</p><p>{escape(found.definition)}</p>{warnings}{skipped}<div>{plots}</div>"
        + _table(["measure", "mean", "95 % interval"], rows)
        + _table(["against", "its AUC", "AUC, model − other", "log-loss, model − other", "cutoffs won"], others)
        + _segments(found.segments)
    )


def _interval(mean: Mapping[str, Any]) -> str:
    return f"{_number(mean['mean'])} ({_number(mean['low'])} to {_number(mean['high'])})"


def _segments(segments: Iterable[Mapping[str, Any]]) -> str:
    rows = [
        (
            row["segment"],
            f"{row['from']:g} to {row['to']:g}",
            row["customers"],
            "" if row["observed_rate"] is None else f"{row['observed_rate']:.1%}",
            "" if row["mean_probability"] is None else f"{row['mean_probability']:.1%}",
        )
        for row in segments
    ]
    return _table(["segment", "probability", "customers", "observed churn", "predicted churn"], rows)


def _number(value: float) -> str:
    return f"{value:,.4g}" if abs(value) < 1e6 else f"{value:,.0f}"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    cells = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"


def _plot(title: str, x_label: str, y_label: str, points: Sequence[Sequence[float]], *, diagonal: bool) -> str:
    """Draw a curve over 0 to 1 in both directions."""
    left, top, size = 34, 22, 160

    def place(x: float, y: float) -> str:
        return f"{left + size * x:.1f},{top + size * (1 - y):.1f}"

    line = " ".join(place(x, y) for x, y in points)
    summary = f"{title}: {y_label} by {x_label}"
    start, end = place(0, 0).split(","), place(1, 1).split(",")
    reference = (
        f'<line x1="{start[0]}" y1="{start[1]}" x2="{end[0]}" y2="{end[1]}" stroke="#999" stroke-dasharray="3 3"/>'
        if diagonal
        else ""
    )
    middle, below = left + size / 2, top + size
    turned, style = f"rotate(-90 12 {top + size / 2})", _STYLE
    return (
        f'<svg width="{left + size + 12}" height="{top + size + 34}" role="img" aria-label="{escape(summary)}">'
        f'<text x="{middle}" y="14" {style}>{escape(title)}</text>'
        f'<rect x="{left}" y="{top}" width="{size}" height="{size}" fill="none" stroke="#999"/>{reference}'
        f'<polyline points="{line}" fill="none" stroke="#1f77b4" stroke-width="1.5"/>'
        f'<text x="{left}" y="{below + 12}" {style}>0</text><text x="{left + size}" y="{below + 12}" {style}>1</text>'
        f'<text x="{middle}" y="{below + 26}" {style}>{escape(x_label)}</text>'
        f'<text x="12" y="{top + size / 2}" {style} transform="{turned}">{escape(y_label)}</text>'
        "</svg>"
    )


def _plot_days(title: str, series: Sequence[_Series], *, from_zero: bool) -> str:
    """Draw a line over days for each series; the scale fits the values."""
    left, top, width, height = 44, 36, 240, 146
    values = [value for _, _, points in series for _, value in points]
    days = [day.toordinal() for _, _, points in series for day, _ in points]
    first, last = min(days), max(days)
    # The scale begins and ends with whole steps: tenths of an AUC, or powers of ten of customers.
    step = 10.0 ** math.floor(math.log10(max(*values, 1.0))) if from_zero else 0.1
    low = 0.0 if from_zero else math.floor(min(values) / step) * step
    high = max(math.ceil(max(values) / step) * step, low + step)

    def place(day: datetime.date, value: float) -> tuple[str, str]:
        across = (day.toordinal() - first) / (last - first) if last > first else 0.5
        return f"{left + width * across:.1f}", f"{top + height * (high - value) / (high - low):.1f}"

    drawn, names = "", ""
    for at, (name, color, points) in enumerate(series):
        places = [place(day, value) for day, value in points]
        line = " ".join(",".join(point) for point in places)
        drawn += f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="1.5"/>'
        drawn += "".join(f'<circle cx="{x}" cy="{y}" r="2" fill="{color}"/>' for x, y in places)
        middle = left + width * (2 * at + 1) / (2 * len(series))
        names += f'<text x="{middle:.1f}" y="28" {_STYLE.replace("currentColor", color)}>{escape(name)}</text>'
    bottom, ends = top + height, 'font-size="10" fill="currentColor" text-anchor='
    dates = [datetime.date.fromordinal(day) for day in (first, last)]
    summary = f"{title}: {' and '.join(name for name, _, _ in series)}"
    return (
        f'<svg width="{left + width + 12}" height="{bottom + 34}" role="img" aria-label="{escape(summary)}">'
        f'<text x="{left + width / 2}" y="14" {_STYLE}>{escape(title)}</text>{names}'
        f'<rect x="{left}" y="{top}" width="{width}" height="{height}" fill="none" stroke="#999"/>{drawn}'
        f'<text x="{left - 4}" y="{top + 8}" {ends}"end">{high:,.6g}</text>'
        f'<text x="{left - 4}" y="{bottom}" {ends}"end">{low:,.6g}</text>'
        f'<text x="{left}" y="{bottom + 12}" {ends}"start">{dates[0]}</text>'
        f'<text x="{left + width}" y="{bottom + 12}" {ends}"end">{dates[1]}</text>'
        "</svg>"
    )
