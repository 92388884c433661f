"""Every "Your turn" and exercise: the stored solution against an independent judge, the named mistakes, right variants.

.ci/judges/nNN.py holds, for notebook NN:  JUDGES, name -> a function of the check's arguments that returns what the
solution returns, by finite differences, PyTorch or sums over single numbers;  RIGHT, name -> sources of other right ways.
"""

import ast
import contextlib
import copy
import io
import itertools
import re
import runpy
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
import bptt_helpers as bh

FOLDER = ROOT / "notebooks"
CORE = {"01", "02", "03", "04", "05"}  # the answers: at least eight named mistakes in each notebook's main turns


def turns_of(path):
    """The names of the turns and exercises of a notebook, in order."""
    cells = nbformat.read(path, as_version=4).cells
    return [name for cell in cells if cell.cell_type == "code" for name in re.findall(r'bh\.turn\("([^"]+)"', cell.source)]


def judges_of(path):
    file = ROOT / ".ci" / "judges" / f"n{path.name[:2]}.py"
    return runpy.run_path(str(file)) if file.exists() else {"JUDGES": {}, "RIGHT": {}}


def name_space(path, until):
    """What a reader's function sees at the turn `until`: imports, functions and constants above it, solved turns."""
    space, statements = {}, []
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            statements += ast.parse(re.sub(r"^[%!].*$", "", cell.source, flags=re.MULTILINE)).body
    for node in statements:
        call = getattr(node, "value", None)
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "bh.turn":
            name = call.args[0].value
            if name == until:
                return space
            source, _, _ = bh._stored_turn(name, FOLDER)
            exec(source, space)
        elif isinstance(node, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)) or is_constant(node):
            exec(ast.unparse(node), space)
    raise AssertionError(f"{until}: no such turn in {path.name}")


def is_constant(node):
    try:
        named = isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        return named and ast.literal_eval(node.value) is not ...
    except (ValueError, TypeError):
        return False


TURNS = [(path, name) for path in sorted(FOLDER.glob("*.ipynb")) for name in turns_of(path)]
every_turn = pytest.mark.parametrize("path, name", TURNS, ids=[f"{path.name[:2]}-{name}" for path, name in TURNS])


class Turn:
    """One turn: its solution, draws and mistakes, in the name space of its notebook."""

    def __init__(self, path, name):
        self.name, self.space = name, name_space(path, name)
        self.source, self.draw_source, self.mistakes = bh._stored_turn(name, FOLDER)
        self.labels = bh._returned_names(self.source)

    def arguments(self, which):
        draw = bh._last_function(self.draw_source, self.space)
        return draw(np.random.default_rng([*self.name.encode(), which]), **bh.SIZES[which])

    def made(self, source):
        return bh._last_function(source, self.space)

    def says(self, source, times):
        """What the check prints at each of some tries with this function; and whether it calls it right."""
        bh._TRIES.clear()
        function, heard = self.made(source), []
        for _ in range(times):
            with contextlib.redirect_stdout(io.StringIO()) as out:
                bh.turn(self.name, function, folder=FOLDER)
            heard.append(out.getvalue())
        return heard, not re.search("not yet|not written", heard[-1])


def test_there_are_turns():
    assert TURNS


@every_turn
def test_the_solution_is_right(path, name):
    turn, judges = Turn(path, name), judges_of(path)
    assert name in judges["JUDGES"], f"{name} has no independent judge in .ci/judges"
    for which in (0, 1):
        arguments = turn.arguments(which)
        mine = bh._results(turn.made(turn.source), arguments, turn.labels)
        assert not isinstance(mine, Exception), mine
        expected = bh._results(judges["JUDGES"][name], copy.deepcopy(arguments), turn.labels)
        assert not isinstance(expected, Exception), expected
        assert set(expected) == set(mine)
        for label in mine:
            assert mine[label].shape == expected[label].shape, label
            assert np.any(expected[label]), f"{label} is zero: it tests nothing"
            error = bh._relative_error(mine[label].astype(float), expected[label].astype(float))
            assert error < 2e-6, f"{name} {label}: relative error {error:.1e}"


@every_turn
def test_the_solution_is_accepted(path, name):
    turn = Turn(path, name)
    (heard,), accepted = turn.says(turn.source, 1)
    assert accepted and "not " not in heard, heard


@every_turn
def test_every_mistake_gets_its_sentence(path, name):
    turn = Turn(path, name)
    assert len({sentence for *_, sentence in turn.mistakes}) == len(turn.mistakes), "two mistakes share a sentence"
    assert len(turn.mistakes) >= 3, f"{name}: only {len(turn.mistakes)} named mistakes"
    for before, after, sentence in turn.mistakes:
        assert before in turn.source, f"{name}: `{before}` does not stand in the solution"
        (first, second), accepted = turn.says(turn.source.replace(before, after), 2)
        assert not accepted, f"{name}: `{after}` is called right"
        assert sentence not in first, f"{name}: the cause is told at the first try: {sentence}"
        assert sentence in second, f"{name}: not named: {sentence}\n{second}"


@every_turn
def test_two_mistakes_at_once_get_both_sentences(path, name):
    turn = Turn(path, name)
    named = 0
    for (a, b, first), (c, d, second) in itertools.islice(itertools.combinations(turn.mistakes, 2), 12):
        once = turn.source.replace(a, b)
        if c not in once or once.replace(c, d) in (once, turn.source.replace(c, d)):
            continue
        heard, accepted = turn.says(once.replace(c, d), 2)
        named += not accepted and first in heard[1] and second in heard[1]
    assert named or len(turn.mistakes) < 4, f"{name}: no pair of mistakes gets both names"


@every_turn
def test_other_right_ways_are_accepted(path, name):
    turn = Turn(path, name)
    for source in judges_of(path)["RIGHT"].get(name, []):
        (heard,), accepted = turn.says(source, 1)
        assert accepted, f"{name}: a right way is refused:\n{source}\n{heard}"


@every_turn
def test_a_stub_is_not_called_wrong(path, name):
    cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code" and f'bh.turn("{name}"' in c.source]
    assert len(cells) == 1, f"{name} is called in {len(cells)} cells"
    text = "".join(out.get("text", "") for out in cells[0].outputs)
    assert "not written yet" in text and "not yet:" not in text, f"{name} is not stored unsolved:\n{text}"


def test_there_are_thirty_right_variants():
    assert sum(len(sources) for path in sorted(FOLDER.glob("*.ipynb")) for sources in judges_of(path)["RIGHT"].values()) >= 30


@pytest.mark.parametrize("number", sorted(CORE))
def test_core_turns_name_eight_mistakes(number):
    paths = [path for path, _ in TURNS if path.name.startswith(number)]
    counts = [len(bh._stored_turn(name, FOLDER)[2]) for path, name in TURNS if path in paths]
    assert counts and max(counts) >= 8, f"{number}: the main turn names only {max(counts, default=0)} mistakes"
