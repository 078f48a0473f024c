"""What a notebook shows: tables and the curves of an evaluation, as HTML that stands alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from churn import Events, Explanation, Model

_SHOWN = 10


class Evaluation(dict[str, Any]):
    """How a model was judged on rows that it had not seen: a dict that shows its curves in a notebook."""

    def _repr_html_(self) -> str:
        metrics, logistic = self["metrics"], self["logistic_regression"]
        names = ["roc_auc", "pr_auc", "log_loss", "brier", "ece", "lift_10", "precision", "recall", "f1"]
        rows = [(name, _number(metrics[name]), _number(logistic[name])) for name in names]
        recency = self["recency_auc"]
        baseline = "" if recency is None else f"; recency alone has an AUC of {_number(recency)}"
        protocol = {"out_of_time": f"out of time, at {self['test_cutoff']}", "holdout": "on held-out customers"}
        how = protocol.get(self["protocol"], self["protocol"])
        head = f"Judged {how}: {metrics['n']} rows, {metrics['base_rate']:.1%} churned{baseline}."
        segments = [
            (
                row["segment"],
                f"{row['from']:g} to {row['to']:g}",
                row["customers"],
                "" if row["observed_rate"] is None else f"{row['observed_rate']:.1%}",
                "" if row["mean_probability"] is None else f"{row['mean_probability']:.1%}",
            )
            for row in self["segments"]
        ]
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
        return (
            f"<p>{escape(head)}</p><div>{plots}</div>"
            + _table(["measure", "model", "logistic regression"], rows)
            + _table(["segment", "probability", "customers", "observed churn", "predicted churn"], segments)
        )


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
    if hasattr(columns, "to_numpy"):
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
        names = ["customer_id", "churned", "probability_before", "churn_probability", "value", "group", "risk_segment"]
        names += ["covered", "value_at_risk"]
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
    evaluation = Evaluation(found.evaluation)
    warnings = "".join(f"<p><strong>{escape(text)}</strong></p>" for text in found.warnings)
    importance = [(row["feature"], _number(row["log_loss_increase"])) for row in evaluation["importance"][:_SHOWN]]
    return (
        f"<p>{escape(repr(found))}</p><p>{escape(found.definition)}</p>{warnings}"
        + evaluation._repr_html_()
        + _table(["feature", "log-loss without it, beyond that with it"], importance)
    )


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
    turned, style = f"rotate(-90 12 {top + size / 2})", 'font-size="10" fill="currentColor" text-anchor="middle"'
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
