"""The command ``churn``."""

from __future__ import annotations

import sys

from churn._churn import run_command


def main() -> int:
    """Run the command with the arguments of the process and give the exit code."""
    try:
        return run_command(sys.argv[1:])
    except KeyboardInterrupt:
        # The command has said that it was interrupted.
        return 130
