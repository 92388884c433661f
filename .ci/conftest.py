"""Print how long each file took, after a test run."""

from collections import Counter


def pytest_terminal_summary(terminalreporter):
    seconds = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if hasattr(report, "duration"):
                seconds[report.nodeid.split("::")[0]] += report.duration
    terminalreporter.section("seconds for each file")
    for name in sorted(seconds):
        terminalreporter.write_line(f"{seconds[name]:7.1f}  {name}")
