"""The command ``churn`` of the wheel. Its own tests are those of the package churn-cli."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest
from conftest import Row, csv_of

import churn

MODULE = [sys.executable, "-m", "churn"]
SCRIPT = [str(Path(sysconfig.get_path("scripts")) / ("churn.exe" if os.name == "nt" else "churn"))]


@pytest.fixture
def folder(tmp_path: Path, rows: list[Row]) -> Path:
    (tmp_path / "log.csv").write_text(csv_of(rows), encoding="utf-8")
    (tmp_path / "far.csv").write_text(
        csv_of([*rows, ("c0001", rows[0][1].replace(year=2099), 1.0, None)]), encoding="utf-8"
    )
    return tmp_path


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", timeout=120, check=False)


@pytest.mark.parametrize("command", [MODULE, SCRIPT], ids=["module", "script"])
def test_the_command_is_that_of_the_package(command: list[str], folder: Path) -> None:
    version = run([*command, "--version"], folder)
    assert (version.returncode, version.stdout) == (0, f"churn {churn.__version__}\n")
    usage = run([*command, "check"], folder)
    assert usage.returncode == 2
    assert "Usage: churn check" in usage.stderr
    stopped = run([*command, "train", "far.csv"], folder)
    assert stopped.returncode == 1
    assert stopped.stderr.startswith("error: finding: ")

    checked = run([*command, "check", "log.csv", "--json"], folder)
    assert checked.returncode == 0, checked.stderr
    assert json.loads(checked.stdout)["findings"] == churn.check(churn.read_csv(folder / "log.csv"))


def test_it_gives_the_bits_of_the_package(folder: Path) -> None:
    events = churn.read_csv(folder / "log.csv")
    trained = run([*MODULE, "train", "log.csv", "--model", "gradient_boosting", "--set", "rounds=20"], folder)
    assert trained.returncode == 0, trained.stderr
    model = churn.load(folder / "model.json")
    assert model.to_json() == churn.train(events, "gradient_boosting", rounds=20).to_json()
    predicted = run([*MODULE, "predict", "model.json", "log.csv", "--json"], folder)
    found: dict[str, Any] = json.loads(predicted.stdout)
    assert found["predictions"]["customers"] == len(model.predict(events))


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent another way there")
def test_ctrl_c_ends_it(folder: Path) -> None:
    program = subprocess.Popen(
        [*MODULE, "train", "log.csv", "--set", "trees=10000", "--set", "max_depth=20"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        # What a shell has started in the background ignores Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert program.stdout is not None
    # The first text comes when the log has been read.
    assert program.stdout.read(4) == "Read"
    program.send_signal(signal.SIGINT)
    _, errors = program.communicate(timeout=60)
    assert program.returncode == 130, errors
    assert errors == "error: cancelled: interrupted\n"
    assert sorted(path.name for path in folder.iterdir()) == ["far.csv", "log.csv"]
