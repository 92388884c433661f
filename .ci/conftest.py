"""How the tests run: the helper first, notebooks two at a time, one thread each; what a failed cell says; pictures."""

import base64
import doctest
import io
import os
import re
from collections import Counter
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

wanted = (Path(__file__).parent.parent / "requirements.txt").read_text().splitlines()
for requirement in map(Requirement, wanted):
    found = next((d.version for d in metadata.distributions(name=requirement.name)), "none")
    if found == "none" or found not in requirement.specifier:
        pytest.exit(f"requirements.txt asks for {requirement}; installed: {found}", returncode=1)

import numpy as np
from nbval.plugin import IPyNbCell

for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")  # two processes: more threads would wait for each other

LONGEST = "notebooks/12", "notebooks/10", "notebooks/11"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
BROKEN = set()  # notebooks in which a cell has raised an error: what follows says nothing


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))


def pytest_sessionstart(session):
    """The helper's examples, before anything else: what is broken there would fail in every notebook."""
    if hasattr(session.config, "workerinput") or session.config.option.collectonly:
        return
    try:
        import bptt_helpers
    except ImportError as error:
        pytest.exit(f"bptt_helpers.py cannot be imported: {error}", returncode=1)
    report = io.StringIO()
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.REPORT_ONLY_FIRST_FAILURE)
    for test in doctest.DocTestFinder().find(bptt_helpers, "bptt_helpers"):
        runner.run(test, out=report.write)
    if runner.failures:
        first = report.getvalue().strip().strip("*").strip()
        pytest.exit(f"{runner.failures} examples of bptt_helpers.py fail; nothing else was run. The first:\n{first[:1500]}", returncode=1)


# --- notebooks ----------------------------------------------------------------------------------------


def pytest_runtest_setup(item):
    if isinstance(item, IPyNbCell) and item.parent.nodeid in BROKEN:
        pytest.skip("a cell above has raised an error")


def failure(self, excinfo):
    """One line that says where and what, then the first line of the cell and the difference."""
    error = excinfo.value
    details = COLOUR.sub("", str(getattr(error, "inner_traceback", "") or error)).strip()
    where = f"{self.parent.nodeid}  In [{self.cell_num + 1}]"
    code = next((line for line in self.cell.source.splitlines() if line.strip() and not line.startswith("#")), "")
    lines = [line for line in details.splitlines() if line.strip()]
    if "exception" in str(error):
        BROKEN.add(self.parent.nodeid)
        return f"{where}: {lines[-1]}\n    in the cell that begins: {code}"
    body = "\n".join(f"    {line}" for line in lines[:24])
    return f"{where}: the output is not what is stored (left: stored, right: new)\n    in the cell that begins: {code}\n{body}"


IPyNbCell.repr_failure = failure
compare_texts = IPyNbCell.compare_outputs


def pictures_of(outputs):
    return [out["data"]["image/png"] for out in outputs if "image/png" in out.get("data", {})]


def difference(stored, new):
    """How far two pictures are apart: the share of points that differ by more than a tenth of black to white."""
    from PIL import Image

    a, b = (np.asarray(Image.open(io.BytesIO(base64.b64decode(p))).convert("L"), float) for p in (stored, new))
    return 1.0 if a.shape != b.shape else float((abs(a - b) > 25).mean())


def compare_all(self, test, ref, skip_compare=None):
    """As nbval compares; with BPTT_PICTURES=1 (set by .ci/run) the pictures too: at most 0.5 % of the points may differ."""
    if not compare_texts(self, test, ref, skip_compare):
        return False
    if os.environ.get("BPTT_PICTURES") != "1":
        return True
    worst = max((difference(*pair) for pair in zip(pictures_of(ref), pictures_of(test))), default=0.0)
    if worst > 0.005:
        self.comparison_traceback = [f"the stored picture is not what the code draws: {worst:.1%} of its points differ; run .ci/refresh"]
    return worst <= 0.005


IPyNbCell.compare_outputs = compare_all


def pytest_terminal_summary(terminalreporter, exitstatus):
    seconds = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if hasattr(report, "duration"):
                seconds[report.nodeid.partition("::")[0]] += report.duration
    terminalreporter.section("seconds for each file")
    for name in sorted(seconds):
        terminalreporter.write_line(f"{seconds[name]:7.1f}  {name}")
