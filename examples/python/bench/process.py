"""What the measured processes share: their threads, their clock, and the one JSON line that they end with."""

import json
import os
import statistics
import time


def threads():
    """The threads that this process may use: it is pinned to one core, or has all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def measured(work, at_least=0.0):
    """Runs work once, or up to nine times until so many seconds have passed; its result, and its median wall and CPU
    seconds."""
    runs = []
    while not runs or (len(runs) < 9 and sum(wall for wall, _ in runs) < at_least):
        cpu, wall = time.process_time(), time.perf_counter()
        result = work()
        runs.append((time.perf_counter() - wall, time.process_time() - cpu))
    walls, cpus = zip(*runs)
    return result, {"seconds": statistics.median(walls), "cpu_seconds": statistics.median(cpus)}


def report(**values):
    print(json.dumps(values))
