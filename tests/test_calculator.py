"""Calculators from a file: what is accepted, what is refused in one line, and what the wrapper checks."""

import numpy as np
import pytest
from ase import Atoms
from cosine_calculator import CosineCalculator, calculator_file

from lattice.calculator import CalculatorError, Recorded, load_calculator
from structures.errors import InputError


def lithium(x: float = 0.3) -> Atoms:
    return Atoms("Li", positions=[[x, 0.1, 0.0]], cell=[4.0] * 3, pbc=True)


def test_a_calculator_and_a_function_that_returns_one(tmp_path):
    """The one calculator serves every image; the function is called once for each."""
    file = calculator_file(tmp_path)
    one = load_calculator(f"{file}:calculator")
    assert one.make(1, tmp_path) is one.make(2, tmp_path)
    fresh = load_calculator(f"{file}:fresh")
    assert fresh.make(1, tmp_path) is not fresh.make(2, tmp_path)
    assert fresh.make(1, tmp_path) is fresh.make(1, tmp_path)
    assert one.sha256 == fresh.sha256
    assert len(one.sha256) == 64


def test_a_class_of_ase_is_a_function_that_returns_one(tmp_path):
    file = tmp_path / "lj.py"
    file.write_text("from ase.calculators.lj import LennardJones\n")
    assert load_calculator(f"{file}:LennardJones").make(1, tmp_path).name == "lennardjones"


def test_a_function_that_wants_a_folder_gets_a_new_one_each_time(tmp_path):
    file = tmp_path / "program.py"
    file.write_text(
        "from ase.calculators.emt import EMT\n"
        "def dft(directory):\n    made = EMT()\n    made.folder = directory\n    return made\n"
    )
    source = load_calculator(f"{file}:dft")
    folders = [source.make(1, tmp_path / name).folder for name in ("site-0", "site-1")]
    assert folders == [str(tmp_path / "site-0"), str(tmp_path / "site-1")]
    assert (tmp_path / "site-1").is_dir()


def test_the_file_may_import_its_neighbours(tmp_path):
    (tmp_path / "my_potential.py").write_text("from ase.calculators.emt import EMT\ncalculator = EMT()\n")
    (tmp_path / "entry.py").write_text("from my_potential import calculator\n")
    assert load_calculator(f"{tmp_path / 'entry.py'}:calculator").is_calculator


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        (None, "x", r"expected a Python file, found no file .*mine\.py$"),
        ("x = 1", "", "expected FILE.py:NAME"),
        ("x = 1", "x", "found an object of the class int"),
        ("def other(): pass", "x", "expected the name x in .*, found only other"),
        ("import no_such_module_at_all", "x", "ModuleNotFoundError: No module named"),
        ("def x(:", "x", r"line 1 raises SyntaxError"),
        ("raise SystemExit('stop')", "x", "SystemExit: stop"),
    ],
)
def test_what_is_no_calculator_is_refused_in_one_line(tmp_path, text, name, words):
    file = tmp_path / "mine.py"
    if text is not None:
        file.write_text(text)
    with pytest.raises(InputError, match=words) as refusal:
        load_calculator(f"{file}:{name}")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("return 3", "returns an object of the class int"),
        ("pass", "returns nothing"),
        ("raise KeyError('model')", "KeyError"),
    ],
)
def test_a_function_that_returns_no_calculator_is_refused(tmp_path, body, words):
    file = tmp_path / "mine.py"
    file.write_text(f"def x():\n    {body}\n")
    with pytest.raises(InputError, match=words):
        load_calculator(f"{file}:x").make(1, tmp_path)


def test_the_wrapper_counts_and_keeps_the_last_result():
    """Two structures that take turns with one calculator cost one calculation each."""
    shared = CosineCalculator()
    first, second = lithium(0.3), lithium(0.4)
    for atoms in (first, second):
        atoms.calc = Recorded(shared)
    for _ in range(3):
        energies = first.get_potential_energy(), second.get_potential_energy()
        forces = first.get_forces()[0, 0], second.get_forces()[0, 0]
    assert (first.calc.calls, second.calc.calls) == (1, 1)
    assert energies[0] < energies[1]
    assert forces == pytest.approx([-0.3 * np.pi / 2 * np.sin(np.pi / 2 * x) for x in (0.3, 0.4)])
    first.positions[0, 0] = 0.0
    assert first.get_potential_energy() == pytest.approx(-0.6 - 0.3 * np.cos(0.05 * np.pi))
    assert first.calc.calls == 2


class Wrong(CosineCalculator):
    def __init__(self, results):
        super().__init__()
        self.wrong = results

    def calculate(self, *arguments):
        super().calculate(*arguments)
        if isinstance(self.wrong, Exception):
            raise self.wrong
        self.results = self.wrong


@pytest.mark.parametrize(
    ("results", "words"),
    [
        ({"energy": np.nan, "forces": np.zeros((1, 3))}, "finite energy; got nan"),
        ({"energy": 0.0, "forces": np.full((1, 3), np.inf)}, "3 of them not finite"),
        ({"energy": 0.0, "forces": np.zeros((2, 3))}, r"shape \(1, 3\)"),
        (RuntimeError("SCF\nnot converged"), "raises RuntimeError: SCF$"),
    ],
)
def test_nonsense_is_an_error(results, words):
    atoms = lithium()
    atoms.calc = Recorded(Wrong(results))
    with pytest.raises(CalculatorError, match=words):
        atoms.get_forces()
