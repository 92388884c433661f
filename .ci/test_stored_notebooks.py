"""The stored notebooks are fresh: executed top to bottom, without errors, free of traces of the machine."""

import re
import runpy
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
REFRESH = runpy.run_path(str(Path(__file__).parent / "refresh"))
TRACE = re.compile(r"0x[0-9a-fA-F]{6,}|(?<![\w.])/(?:tmp|root|home|work|Users|usr|opt)/|[A-Z]:\\|site-packages|localhost|127\.0\.0\.1")


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_is_fresh(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"

    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    counts = [cell.execution_count for cell in code]
    assert counts == list(range(1, len(code) + 1)), "not executed top to bottom: run .ci/refresh"
    fresh = REFRESH["fingerprint"](notebook)
    assert notebook.metadata.get("fingerprint") == fresh, "a code cell or the helper has changed since: run .ci/refresh"

    for cell in code:
        first = cell.source.splitlines()[0]
        assert "execution" not in cell.metadata, f"time stamps of the execution are stored at: {first}"
        for output in cell.outputs:
            expected_error = "raises-exception" in cell.metadata.get("tags", [])
            assert output.output_type != "error" or expected_error, f"stores an error at: {first}"
            assert output.get("name") != "stderr", f"stores a warning at: {first}"
            texts = [output.get("text", ""), *output.get("traceback", [])]
            texts += [text for kind, text in output.get("data", {}).items() if kind.startswith("text/")]
            trace = TRACE.search("\n".join(texts))
            assert not trace, f"the output holds {trace.group()!r} at: {first}"
