"""Whole processes, timed and weighed."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    wall: float
    """Seconds."""
    cpu: float
    """Seconds of user and system time, children included."""
    peak: float
    """MB of memory resident at most, in the largest process."""


def cpu_of(processes: Sequence[int]) -> float:
    """Seconds of the running processes, in nanoseconds, with their threads that have ended (clock_getcpuclockid)."""
    return sum(time.clock_gettime((~process << 3) | 2) for process in processes)


def once(command: Sequence[str], environment: Mapping[str, str]) -> Cost:
    """Run the command, which must succeed."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=dict(environment))
    assert process.stderr is not None
    complaint = process.stderr.read()
    process.stderr.close()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: {complaint.decode()[-2000:]}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def interleaved(runs: Mapping[str, Callable[[], Cost]], rounds: int) -> dict[str, Cost]:
    """The median cost of each, all of them run in turn in every round, after one round that does not count."""
    costs: dict[str, list[Cost]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name, run in runs.items():
            cost = run()
            if number:
                costs[name].append(cost)
    return {
        name: Cost(
            statistics.median(cost.wall for cost in found),
            statistics.median(cost.cpu for cost in found),
            statistics.median(cost.peak for cost in found),
        )
        for name, found in costs.items()
    }
