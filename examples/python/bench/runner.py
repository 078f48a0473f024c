"""Runs contenders in turn, each time in a process of its own, and keeps the medians."""

import json
import os
import statistics
import subprocess
import sys
import threading

# Whatever a library takes its number of threads from; the processes are pinned to one core besides.
ONE_THREAD = {
    name: "1"
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS", "RAYON_NUM_THREADS",
                 "ARROW_IO_THREADS", "NUMEXPR_NUM_THREADS")
}
# Settings of the machine's user that slow the peers' linear algebra down.
UNSET = {"OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"}
# Seconds after which a process is given up.
LIMIT = 1800
# A contender whose first run takes longer is not run again.
LONG = 60


class Failed(Exception):
    """A measured process did not do its work."""


def run(command, one_core):
    """The JSON line of a process, with its peak memory in MB."""
    env = {name: value for name, value in os.environ.items() if name not in UNSET} | {"PYTHONDONTWRITEBYTECODE": "1"}
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    if one_core:
        env |= ONE_THREAD
        if cores:
            # Children inherit it.
            os.sched_setaffinity(0, {max(cores)})
    try:
        process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True, env=env)
    finally:
        if cores:
            os.sched_setaffinity(0, cores)
    timer = threading.Timer(LIMIT, process.kill)
    timer.start()
    try:
        output = process.stdout.read()
        # Instead of process.wait(): this also tells the peak memory of this very child.
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    except BaseException:
        process.kill()
        process.wait()
        raise
    finally:
        timer.cancel()
        process.stdout.close()
    if process.returncode != 0:
        raise Failed(f"exit status {process.returncode}: {' '.join(map(str, command))}")
    lines = output.strip().splitlines()
    result = json.loads(lines[-1]) if lines else {}
    unit = 1 if sys.platform == "darwin" else 1024
    return result | {"peak_mb": usage.ru_maxrss * unit / 1e6}


def race(contenders, repeats, one_core, checked):
    """Medians by contender, and how often each was run. `contenders` maps names to commands, the first run of which gets a
    folder of `checked` for its answers and is a warm-up: it is not counted."""
    runs = {name: [] for name in contenders}
    for turn in range(-1 if checked else 0, repeats):
        for name, command in contenders.items():
            words = [*command, checked[name]] if turn < 0 else command
            if any(result["seconds"] > LONG for result in runs[name]):
                continue
            print(f"    {name} {'(answers)' if turn < 0 else turn + 1}", file=sys.stderr, flush=True)
            result = run(words, one_core)
            if turn >= 0 or result["seconds"] > LONG:
                runs[name].append(result)
    return {name: {key: statistics.median(r[key] for r in results) for key in results[0]} | {"runs": len(results)}
            for name, results in runs.items()}
