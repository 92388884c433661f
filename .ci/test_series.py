"""The notebooks hold together: parts of a lecture, slides, turns, answers, equations, links, references and terms."""

import ast
import re
import symtable
from collections import Counter
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
EQUATIONS = {*range(5, 8), *range(28, 60), *range(66, 70)} - {48}  # (6.48) is no equality
EXPLAINED = {8, 9, 48, 60}  # shown, but no equation that a cell could verify
IDENTIFIER = re.compile(r"DOI|doi\.org|arXiv|ISBN|PEP \d|pull request \d")
HAN = r"[\u4e00-\u9fff“”]+"
PREDICT = "**Predict, then run.**"


def cells(path, kind=None):
    return [cell for cell in nbformat.read(path, as_version=4).cells if kind in (None, cell.cell_type)]


def text(path):
    return "\n".join(cell.source for cell in cells(path, "markdown"))


def slide_type(cell):
    return cell.metadata.get("slideshow", {}).get("slide_type")


def is_open(cell):
    return cell.cell_type == "code" and not cell.metadata.get("jupyter", {}).get("source_hidden")


def numbers(source):
    """The n of every (6.n) in a text, ranges such as (6.5)–(6.7) filled in."""
    found = set()
    for first, last in re.findall(r"\(6\.(\d+)\)(?:–\(6\.(\d+)\))?", source):
        found |= set(range(int(first), int(last or first) + 1))
    return found


def verified(path):
    """The n of every (6.n) that a stored output says to hold."""
    outputs = "\n".join(out.get("text", "") for cell in cells(path, "code") for out in cell.outputs)
    return {int(n) for n in re.findall(r"\(6\.(\d+)[^)]*\) holds", outputs)}


def anchors(path):
    """What a link may point at: the headings, spaces as hyphens."""
    return {h.strip().replace(" ", "-") for h in re.findall(r"^#+ (.*)$", text(path), re.MULTILINE)}


every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
every_lecture = pytest.mark.parametrize("path", [p for p in NOTEBOOKS if p.name[:2] != "00"], ids=lambda path: path.stem)


@every_notebook
def test_has_the_parts_of_a_lecture(path):
    number = path.name[:2]
    first = cells(path, "markdown")[0].source
    assert re.match(rf"# {number} · [A-Z]\w+ ", first), "the title is: # NUMBER · Verb ..."
    assert "In class: " in first
    assert "Clear Outputs" in first
    assert number == "00" or "(00_start_here.ipynb)" in first, "no link back to 00"
    headings = re.findall(r"^#+ (.*)$", text(path), re.MULTILINE)
    answer = "The answer" if "01" <= number <= "05" else "What to remember"
    for heading in ["The question", "Exercises", "References", *([answer] if number != "00" else [])]:
        assert heading in headings, heading
    assert number == "00" or headings.index(answer) < headings.index("Exercises")
    assert "**What comes next.**" in text(path)


@every_lecture
def test_the_answer_is_half_a_page_without_code(path):
    part = re.search(r"^## (?:The answer|What to remember)\n(.*?)(?=^## )", text(path), re.MULTILINE | re.DOTALL).group(1)
    part = re.sub(r"<details>.*?</details>", "", part, flags=re.DOTALL)
    words = len(re.findall(r"[A-Za-z]{2,}", re.sub(r"\$\$.*?\$\$|\$[^$]*\$", "", part, flags=re.DOTALL)))
    assert "```" not in part
    assert words <= 420, f"{words} words"


@every_lecture
def test_the_reader_writes_and_predicts(path):
    everything = cells(path)
    end = next(i for i, cell in enumerate(everything) if re.search(r"^## Exercises", cell.source, re.MULTILINE))
    turns = [cell for cell in everything[:end] if cell.cell_type == "code" and "bh.turn(" in cell.source]
    assert len(turns) >= 3, f"{len(turns)} turns before the exercises"
    questions = sum(cell.source.count(PREDICT) for cell in everything if cell.cell_type == "markdown")
    assert 2 <= questions <= 6, f"{questions} predictions"


@every_notebook
def test_every_prediction_is_answered_after_its_run(path):
    everything = cells(path)
    for index, cell in enumerate(everything):
        if cell.cell_type == "markdown" and PREDICT in cell.source:
            after = [c for c in everything[index + 1 :] if slide_type(c) != "notes"]
            run = next(i for i, c in enumerate(after) if c.cell_type == "code")
            said = next(c.source for c in after[run:] if c.cell_type == "markdown")
            assert re.match(r"(?:Answer|Answers) \([a-d]\)", said), f"no 'Answer (x)' after: {cell.source[:70]!r}; got {said[:70]!r}"


def test_the_right_letters_are_spread():
    letters = Counter()
    for path in NOTEBOOKS:
        letters.update(re.findall(r"^Answers? \(([a-d])\)", text(path), re.MULTILINE))
    shares = {letter: count / letters.total() for letter, count in letters.items()}
    assert all(0.2 < shares.get(letter, 0) < 0.45 for letter in "abc"), letters


@every_notebook
def test_exercises_have_solutions(path):
    named = re.findall(rf"^\*\*({int(path.name[:2])}\.\d+) · ", text(path), re.MULTILINE)
    assert 3 <= len(named) <= 6 and named == sorted(set(named)), named
    code = "\n".join(cell.source for cell in cells(path, "code"))
    folded = re.findall(r"<details>.*?</details>", text(path), re.DOTALL)
    for name in named:
        assert f'bh.turn("{name}"' in code, f"no check of {name}"
        assert any(f"({name})</summary>" in block for block in folded), f"no solution of {name}"


@every_notebook
def test_no_cell_knows_an_answer(path):
    for cell in cells(path, "code"):
        for node in ast.walk(ast.parse(re.sub(r"^[%!].*$", "", cell.source, flags=re.MULTILINE))):
            assert not isinstance(node, ast.FunctionDef) or not node.name.startswith("check_"), node.name
            assert not isinstance(node, ast.Assert) or node.msg, f"an assert without a voice: {ast.unparse(node)[:70]}"


@every_notebook
def test_cells_are_short(path):
    for cell in filter(is_open, cells(path)):
        lines = [line for line in cell.source.splitlines() if line.strip()]
        assert len(lines) <= 18, f"{len(lines)} lines: {lines[0]}"
        assert max(map(len, lines)) <= 92, f"a long line: {max(lines, key=len)}"


@every_notebook
def test_has_slides_and_notes(path):
    everything = cells(path)
    for cell in everything:
        assert slide_type(cell) in ("slide", "subslide", "fragment", "skip", "notes", None), cell.source[:60]
    notes = [cell.source for cell in everything if slide_type(cell) == "notes"]
    assert notes and all(note.startswith("<details>\n<summary>For the teacher</summary>") for note in notes)
    plan = notes[0]
    total = int(re.search(r"\*(\d+) minutes:?\*", plan).group(1))
    assert total == (10 if path.name[:2] == "00" else 90 if "two lectures" in plan else 45)
    end = next(i for i, cell in enumerate(everything) if re.search(r"^## Exercises", cell.source, re.MULTILINE))
    slides = sum(slide_type(cell) in ("slide", "subslide") for cell in everything[:end])
    assert slides <= (44 if total == 90 else 24), f"{slides} slides before the exercises"


@every_notebook
def test_no_slide_shows_more_than_twelve_lines_of_code(path):
    slides = [[]]
    for cell in cells(path):
        if slide_type(cell) in ("slide", "subslide"):
            slides.append([])
        if cell.cell_type == "code" and is_open(cell) and slide_type(cell) != "skip":
            slides[-1] += [line for line in cell.source.splitlines() if line.strip()]
    for lines in slides:
        assert len(lines) <= 12, f"{len(lines)} lines of code on one slide: {lines[0]}"


@every_notebook
def test_every_picture_has_an_alternative_text(path):
    for cell in cells(path, "code"):
        for output in cell.outputs:
            for kind in output.get("data", {}):
                if kind.startswith("image/"):
                    alt = output.metadata.get(kind, {}).get("alt", "")
                    assert len(alt) > 30, f"no alternative text: {cell.source[:60]}"


@every_notebook
def test_verifies_the_equations_it_names(path):
    line = re.search(r"^Equations? .*$", cells(path, "markdown")[0].source, re.MULTILINE)
    missing = (numbers(line.group()) if line else set()) - verified(path) - EXPLAINED
    assert not missing, f"not verified: {sorted(missing)}"


def test_every_equation_is_verified_somewhere():
    missing = EQUATIONS - set().union(*map(verified, NOTEBOOKS))
    assert not missing, sorted(missing)


@pytest.mark.parametrize("path", [ROOT / "README.md", *NOTEBOOKS], ids=lambda path: path.stem)
def test_links_resolve(path):
    source = path.read_text(encoding="utf-8") if path.suffix == ".md" else text(path)
    for target in re.findall(r"\]\(([^)\s]+)\)", source):
        if re.match(r"https?://", target):
            continue
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        assert there.exists(), f"{target}: no such file"
        assert not anchor or there.suffix != ".ipynb" or anchor in anchors(there), f"{target}: no such heading"


@every_notebook
def test_no_code_touches_a_formula(path):
    """JupyterLab shows the backticks of `code` that stands beside a dollar sign without a space."""
    prose = re.sub(r"```.*?```", "", text(path), flags=re.DOTALL)
    assert not re.findall(r".{20}(?:\$`|`\$).{10}", prose)


def test_the_tables_list_the_series():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    start = text(NOTEBOOKS[0])
    for path in NOTEBOOKS:
        number, title = re.match(r"# (\S+) · (.*)", cells(path, "markdown")[0].source).groups()
        assert f"[{number}](notebooks/{path.name}) {title}" in readme, f"README: {path.name}: {title}"
        assert number == "00" or f"[{number} · {title}]({path.name})" in start, f"00: {path.name}: {title}"


@every_notebook
def test_references_are_complete(path):
    references = text(path).split("### References")[1]
    entries = [line for line in references.splitlines() if line.startswith("- ")]
    assert entries
    for entry in entries:
        assert re.search(r"\(\d{4}\)", entry), f"no year: {entry}"
        assert re.search(r"\*[^*]+\*", entry), f"no title: {entry}"
        assert IDENTIFIER.search(entry), f"no identifier: {entry}"


def glossary():
    """Chinese -> English, from the glossary of 00."""
    rows = re.findall(r"^\| ([^|]+?) \| ([^|]+?) \|", text(NOTEBOOKS[0]).split("## Glossary")[1], re.MULTILINE)
    return {word.strip(): english for english, chinese in rows for word in re.split(r"[,，/]", chinese)}


def test_one_name_for_one_thing():
    """Where a Chinese term of the glossary stands in brackets, a word of its English name stands before it."""
    names, problems = glossary(), []
    assert len(names) > 50
    for path in NOTEBOOKS[1:]:
        for before, chinese in re.findall(rf"([^()\n]{{1,60}}) \((?:\w+, )?({HAN})\)", text(path)):
            if chinese in ("邱锡鹏", "神经网络与深度学习"):
                continue
            if chinese not in names:
                problems.append(f"{path.stem}: {before[-40:]} ({chinese}): not in the glossary")
                continue
            stems = [word[:5].lower() for word in re.findall(r"\w{3,}", names[chinese])]
            if not any(stem in before.lower() for stem in stems):
                problems.append(f"{path.stem}: {before[-40:]} ({chinese}), the glossary says {names[chinese]}")
    assert not problems, "\n".join(problems)


# --- the live show ------------------------------------------------------------------------------------


def names(source):
    """(names that a cell needs from above, names that it binds, {function of it: the names it will need when called})."""
    needs, binds, functions = set(), set(), {}
    for statement in ast.parse(source).body:
        table = symtable.symtable(ast.unparse(statement), "cell", "exec")
        inner = {s.get_name() for t in subtables(table) for s in t.get_symbols() if s.is_global() and s.is_referenced()}
        loads = {s.get_name() for s in table.get_symbols() if s.is_referenced()}
        stores = {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}
        if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
            functions[statement.name] = inner
            inner = set()
        own = stores if isinstance(statement, (ast.For, ast.With)) else set()
        needs |= (loads | inner) - binds - own
        binds |= stores
    return needs, binds, functions


def subtables(table):
    for child in table.get_children():
        yield child
        yield from subtables(child)


def origins(cells_in_order, bound, functions):
    """For each cell: {name that it needs, also through functions it may call: the cell that has bound it last}."""
    found = {}
    for number, source in cells_in_order:
        needs, binds, made = names(source)
        waiting, seen = list(needs), set()
        while waiting:
            name = waiting.pop()
            if name in bound and name not in seen:
                seen.add(name)
                waiting += functions.get(name, ())
        found[number] = {name: bound[name] for name in seen}
        bound.update(dict.fromkeys(binds, number))
        for name in binds:
            functions.pop(name, None)
        functions.update(made)
    return found


@every_notebook
def test_live_show_runs_as_the_notebook_does(path):
    """After Run All, the cells on slides are run again: each must find what it found before."""
    code = [(n, cell) for n, cell in enumerate(cells(path, "code"), 1)]
    bound, functions = {}, {}
    first = origins([(n, cell.source) for n, cell in code], bound, functions)
    again = origins([(n, cell.source) for n, cell in code if slide_type(cell) != "skip"], bound, functions)
    for number, found in again.items():
        wrong = {name: site for name, site in found.items() if first[number].get(name, number) != site}
        assert not wrong, f"In [{number}] finds {wrong}, in its place in the notebook it found {first[number]}"
