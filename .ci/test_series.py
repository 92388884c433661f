"""The notebooks hold together: headings, exercises, slides, figures, equations, links, references and terms."""

import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
EQUATIONS = {*range(5, 8), *range(28, 60), *range(66, 70)} - {48}  # (6.48) is no equality
EXPLAINED = {8, 9, 48, 60}  # shown, but no equation that a cell could verify
IDENTIFIER = re.compile(r"DOI|doi\.org|arXiv|ISBN|PEP \d|pull request \d")
HAN = r"[\u4e00-\u9fff]+"


def cells(path, kind):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


def text(path):
    return "\n".join(cell.source for cell in cells(path, "markdown"))


def slide_type(cell):
    return cell.metadata.get("slideshow", {}).get("slide_type")


def numbers(source):
    """The n of every (6.n) in a text, ranges such as (6.5)–(6.7) filled in."""
    found = set()
    for first, last in re.findall(r"\(6\.(\d+)\)(?:–\(6\.(\d+)\))?", source):
        found |= set(range(int(first), int(last or first) + 1))
    return found


def verified(path):
    """The n of every (6.n) that a stored output says to hold."""
    outputs = "\n".join(out.get("text", "") for cell in cells(path, "code") for out in cell.outputs)
    return {int(n) for n in re.findall(r"\(6\.(\d+)\) holds", outputs)}


def anchors(path):
    """What a link may point at: the headings, spaces as hyphens."""
    return {h.strip().replace(" ", "-") for h in re.findall(r"^#+ (.*)$", text(path), re.MULTILINE)}


every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@every_notebook
def test_has_the_parts_of_a_lecture(path):
    first, *_ = cells(path, "markdown")
    number = path.name.split("_")[0]
    assert re.match(rf"# {number} · [A-Z]\w+ ", first.source), "the title is: # NUMBER · Verb ..."
    assert "In class: " in first.source
    assert number == "00" or "(00_start_here.ipynb)" in first.source, "no link back to 00"
    goals = "\n".join(cell.source for cell in cells(path, "markdown")[:3])
    for part in ["**What you'll do**", "**What you'll learn**", "**What you'll need", "Clear Outputs"]:
        assert part in goals, part
    headings = re.findall(r"^#+ (.*)$", text(path), re.MULTILINE)
    for heading in ["The question", "Exercises", "Summary", "References"]:
        assert heading in headings, heading
    assert "**What comes next.**" in text(path)
    summary = text(path).split("## Summary")[1].split("**What comes next.**")[0]
    assert len(re.findall(r"^(?:\d\.|-) ", summary, re.MULTILINE)) == 5, "the summary has five lines"
    assert number in ("00", "12") or "**Misconception:**" in text(path)
    assert number == "00" or "**Predict, then run.**" in text(path)


@every_notebook
def test_is_not_too_long(path):
    count = len(nbformat.read(path, as_version=4).cells)
    two_lectures = path.name[:2] in ("08", "11", "12")
    assert count <= (70 if two_lectures else 60), f"{count} cells"


@every_notebook
def test_has_exercises_with_solutions(path):
    number = path.name.split("_")[0].removeprefix("0") or "0"
    named = re.findall(rf"^\*\*({number}\.\d) · ", text(path), re.MULTILINE)
    assert len(named) >= 4 and named == sorted(set(named))
    assert re.search(r"\*\*\d+b?\.\d · [^*]*[Pp]aper", text(path)), "no exercise on paper"
    assert re.findall(r"<summary>Solution (\S+)</summary>", text(path)) == named
    code = "\n".join(cell.source for cell in cells(path, "code"))
    for name in named:
        assert f"check_{name.replace('.', '_')}()" in code, f"no check of {name}"
    assert "bh.run_solutions(" in code
    outputs = "\n".join(out.get("text", "") for cell in cells(path, "code") for out in cell.outputs)
    for name in named:
        assert f"Exercise {name}: not attempted yet" in outputs, f"{name} is not stored unsolved"
        assert re.search(rf"Exercise {re.escape(name)}\b.*: correct", outputs), f"the solution of {name} does not pass"


@every_notebook
def test_has_slides(path):
    for cell in nbformat.read(path, as_version=4).cells:
        first = cell.source.splitlines()[0]
        assert slide_type(cell) in ("slide", "subslide", "fragment", "skip", "notes", "-"), f"no slide type: {first}"
        if cell.cell_type == "code" and slide_type(cell) != "skip":
            lines = [line for line in cell.source.splitlines() if line]
            assert len(lines) <= 18, f"{len(lines)} lines of code on a slide: {first}"
            assert max(map(len, lines)) <= 100, f"a long line: {first}"
    notes = [cell.source for cell in cells(path, "markdown") if slide_type(cell) == "notes"]
    assert re.match(r"\*For the teacher, \d+ minutes", notes[0]), "the first note is the plan for the lecture"


@every_notebook
def test_every_figure_has_a_text(path):
    everything = nbformat.read(path, as_version=4).cells
    for index, cell in enumerate(everything):
        if any(key.startswith("image/") for out in cell.get("outputs", []) for key in out.get("data", {})):
            near = [c.source for c in everything[max(0, index - 4) : index + 4] if c.cell_type == "markdown"]
            assert any("*Figure" in source for source in near), f"no figure text: {cell.source.splitlines()[0]}"


@every_notebook
def test_verifies_the_equations_it_names(path):
    first = cells(path, "markdown")[0].source
    line = re.search(r"^Equations? .*$", first, re.MULTILINE)
    missing = (numbers(line.group()) if line else set()) - verified(path) - EXPLAINED
    assert not missing, f"not verified: {sorted(missing)}"


def test_every_equation_is_verified_somewhere():
    assert not EQUATIONS - set().union(*map(verified, NOTEBOOKS))


@pytest.mark.parametrize("path", [ROOT / "README.md", *NOTEBOOKS], ids=lambda path: path.stem)
def test_links_resolve(path):
    source = path.read_text(encoding="utf-8") if path.suffix == ".md" else text(path)
    for target in re.findall(r"\]\(([^)\s]+)\)", source):
        if re.match(r"https?://", target):
            continue
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        assert there.exists(), f"{target}: no such file"
        assert not anchor or anchor in anchors(there), f"{target}: no such heading"


def test_the_readme_lists_the_series():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in NOTEBOOKS:
        number, title = re.match(r"# (\S+) · (.*)", cells(path, "markdown")[0].source).groups()
        assert f"[{number}](notebooks/{path.name}) {title}" in readme, path.name


@every_notebook
def test_references_are_complete(path):
    references = text(path).split("### References")[1]
    entries = [line for line in references.splitlines() if line.startswith("- ")]
    assert entries
    for entry in entries:
        assert re.search(r"\(\d{4}\)", entry), f"no year: {entry}"
        assert re.search(r"\*[^*]+\*", entry), f"no title: {entry}"
        assert IDENTIFIER.search(entry), f"no identifier: {entry}"


def test_one_name_for_one_thing():
    """Where a Chinese term of the glossary stands in brackets, a word of its English name stands before it."""
    start = next(path for path in NOTEBOOKS if path.name.startswith("00"))
    code = next(cell.source for cell in cells(start, "code") if "GLOSSARY = " in cell.source)
    names = {chinese: english for english, chinese in re.findall(rf"^(.*?) \| ({HAN}) \|", code, re.MULTILINE)}
    assert len(names) > 40
    problems = []
    for path in NOTEBOOKS:
        for before, chinese in re.findall(rf"([^()\n]{{1,60}}) \((?:\w+, )?({HAN})\)", text(path)):
            stems = [word[:5].lower() for word in re.findall(r"\w{3,}", names.get(chinese, before))]
            if not any(stem in before.lower() for stem in stems):
                problems.append(f"{path.stem}: {before[-40:]} ({chinese}), the glossary says {names[chinese]}")
    assert not problems, "\n".join(problems)
