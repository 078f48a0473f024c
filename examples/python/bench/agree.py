"""Whether the answers agree; what is compared was written by the measured programs.

    python agree.py features OURS THEIRS            every feature of every customer, to 1e-9
    python agree.py coefficients OURS THEIRS        the coefficients, to 1e-6
    python agree.py log_loss LABELS OURS THEIRS     the log-loss on the test rows: ours at most 0.0005 higher
    python agree.py judged OURS THEIRS              the log-loss that each measured itself, on as many customers
    python agree.py auc LABELS OURS THEIRS          the AUC on the test rows: ours at most 0.001 lower
"""

import json
import sys
from pathlib import Path

import numpy as np

from process import report

# Sums of amounts that cancel have no relative precision: they may differ by so much of the largest value of their column.
CANCELLED = 1e-14


def features(ours, theirs):
    """The largest relative difference of any feature of any customer."""
    text = lambda folder, name: (Path(folder) / name).read_text().split("\n")[:-1]
    if text(ours, "ids.txt") != text(theirs, "ids.txt"):
        return report(agrees=False, difference="the customers differ")
    if text(ours, "names.txt") != text(theirs, "names.txt"):
        return report(agrees=False, difference="the features differ")
    names = text(ours, "names.txt")
    read = lambda folder: np.fromfile(Path(folder) / "values.f64", "<f8").reshape(-1, len(names))
    a, b = read(ours), read(theirs)
    apart = (np.isnan(a) != np.isnan(b)).sum(axis=0)
    if apart.any():
        return report(agrees=False, difference=f"{apart.max()} missing values differ ({names[apart.argmax()]})")
    worst = {}
    for j, name in enumerate(names):
        x, y = a[:, j], b[:, j]
        present = ~np.isnan(x)
        x, y = x[present], y[present]
        gap = np.maximum(0, np.abs(x - y) - CANCELLED * np.abs(x).max(initial=0))
        worst[name] = float((gap / np.maximum(np.maximum(np.abs(x), np.abs(y)), 1e-300)).max(initial=0))
    name = max(worst, key=worst.get)
    largest = f"{worst[name]:.0e} ({name})" if worst[name] else "0"
    report(agrees=worst[name] <= 1e-9, difference=f"largest difference {largest}")


def doubles(folder, name):
    return np.fromfile(Path(folder) / name, "<f8")


def coefficients(ours, theirs):
    gap = np.abs(doubles(ours, "coefficients.f64") - doubles(theirs, "coefficients.f64")).max()
    report(agrees=bool(gap <= 1e-6), difference=f"coefficients {gap:.1e}")


def log_loss(labels, ours, theirs):
    from sklearn.metrics import log_loss

    y = np.fromfile(labels, np.uint8)
    a, b = (log_loss(y, doubles(folder, "p.f64")) for folder in (ours, theirs))
    report(agrees=bool(a <= b + 0.0005), difference=f"log-loss {b:.5f}, ours {a:.5f}")


def auc(labels, ours, theirs):
    from sklearn.metrics import roc_auc_score

    y = np.fromfile(labels, np.uint8)
    a, b = (roc_auc_score(y, doubles(folder, "p.f64")) for folder in (ours, theirs))
    report(agrees=bool(a >= b - 0.001), difference=f"AUC {b:.5f}, ours {a:.5f}")


def judged(ours, theirs):
    a, b = (json.loads((Path(folder) / "judged.json").read_text()) for folder in (ours, theirs))
    same = a["customers"] == b["customers"]
    difference = f"log-loss {b['log_loss']:.5f}, ours {a['log_loss']:.5f}" if same else f"{b['customers']} customers, ours {a['customers']}"
    report(agrees=same and a["log_loss"] <= b["log_loss"] + 0.0005, difference=difference)


if __name__ == "__main__":
    {"features": features, "coefficients": coefficients, "log_loss": log_loss, "judged": judged, "auc": auc}[sys.argv[1]](*sys.argv[2:])
