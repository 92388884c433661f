"""How the tests run: two files at a time, the longest first, one thread each; at the end, the seconds of each file."""

import os
from collections import Counter

for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")  # two processes: more threads would wait for each other


def pytest_collection_modifyitems(items):
    longest = "notebooks/12", "notebooks/10"
    items.sort(key=lambda item: not item.nodeid.startswith(longest))


def pytest_terminal_summary(terminalreporter, exitstatus):
    seconds, last = Counter(), {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            if hasattr(report, "duration"):
                name, _, last_test = report.nodeid.partition("::")
                seconds[name] += report.duration
                last[name] = last_test
    terminalreporter.section("seconds for each file")
    for name in sorted(seconds):
        until = f"  interrupted after {last[name]}, or complete" if exitstatus == 2 else ""
        terminalreporter.write_line(f"{seconds[name]:7.1f}  {name}{until}")
