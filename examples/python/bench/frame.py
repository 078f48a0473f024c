"""The features of a Polars frame in memory through our own package.

    python frame.py EVENTS.parquet [CHECK_FOLDER]

Prints one JSON line: the seconds from the frame to the table of features, and how far the memory of the process rose above
what it held with the frame. The table is written as features.py does.
"""

import sys
from pathlib import Path

import polars as pl

import churn
from data import LAST_DAY
from features import RFM, write
from process import measured, report


def resident(key):
    """VmRSS: the memory of this process in MB; VmHWM: its peak since it was last reset."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(f"{key}:"))


def main(path, check=None):
    frame = pl.read_parquet(path)
    linux = Path("/proc/self/clear_refs").exists()
    if linux:
        Path("/proc/self/clear_refs").write_text("5")
    before = resident("VmRSS") if linux else None
    table, seconds = measured(lambda: churn.features(frame, LAST_DAY))
    beyond = {"beyond_mb": resident("VmHWM") - before} if linux else {}
    if check:
        write(table, RFM, Path(check))
    report(**seconds, **beyond)


if __name__ == "__main__":
    main(*sys.argv[1:])
