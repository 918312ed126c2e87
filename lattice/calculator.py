"""An energy and force model given by the user: an ASE calculator, or a function that makes one, in a Python file.

ASE: Larsen et al., J. Phys. Condens. Matter 29, 273002 (2017).
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from structures.errors import InputError


class CalculatorError(Exception):
    """The user's calculator raised, or returned something that is no energy or no forces."""


@dataclass(eq=False, slots=True)
class CalculatorSource:
    """Where the calculators of a refinement come from.

    Attributes
    ----------
    path : Path
    name : str
        What the file calls the calculator or the function.
    sha256 : str
        Of the file; files that it imports or models that it loads are not looked into.
    provided : object
        The calculator, or the function.
    is_calculator : bool
        Whether `provided` is one calculator, which then computes every image in turn.
    """

    path: Path
    name: str
    sha256: str
    provided: Any
    is_calculator: bool
    _made: dict[int, Any] = field(default_factory=dict)

    def make(self, slot: int, directory: Path) -> Any:
        """Return a calculator: the one given, or one of the function.

        Parameters
        ----------
        slot : int
            Image of the band. The function is called once for each, and its calculators serve all later bands.
        directory : Path
            Given to the function if it has a parameter of this name, for programs that leave files; it is then called
            each time.

        Raises
        ------
        InputError
            If the function raises or returns no calculator.
        """
        if self.is_calculator:
            return self.provided
        if _takes_directory(self.provided):
            directory.mkdir(parents=True, exist_ok=True)
            return self._call(directory=str(directory))
        if slot not in self._made:
            self._made[slot] = self._call()
        return self._made[slot]

    def _call(self, **options: str) -> Any:
        expected = f"--calculator {self.path}:{self.name}: expected a function that returns an ASE calculator"
        try:
            made = self.provided(**options)
        except Exception as error:
            raise InputError(f"{expected}, found that it raises {error_line(error)}") from error
        if not _is_calculator(made):
            raise InputError(f"{expected}, found that it returns {_kind(made)}")
        return made


def load_calculator(where: str) -> CalculatorSource:
    """Import a calculator by file and name.

    Parameters
    ----------
    where : str
        FILE.py:NAME.

    Raises
    ------
    InputError
        If the file or the name is not there, the import fails, or the name is no calculator and no function.
    """
    file, _, name = where.rpartition(":")
    if not file or not name.isidentifier():
        raise InputError(f"--calculator: expected FILE.py:NAME such as mace.py:calculator, found {where}")
    path = Path(file)
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"--calculator: expected a Python file, found no file {path}") from None
    except IsADirectoryError:
        raise InputError(f"--calculator: expected a Python file, found that {path} is a folder") from None
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise InputError(f"--calculator: expected a Python file, found that {path} cannot be read: {reason}") from None
    provided = _attribute(path, name)
    if not (_is_calculator(provided) or callable(provided)):
        raise InputError(
            f"--calculator {where}: expected an ASE calculator or a function that returns one, found {_kind(provided)}"
        )
    return CalculatorSource(path, name, hashlib.sha256(text).hexdigest(), provided, _is_calculator(provided))


def _attribute(path: Path, name: str) -> Any:
    """Run the file as a module of its own, with its folder on the search path, and return what it calls `name`."""
    spec = importlib.util.spec_from_file_location(f"mofkmc_calculator_{path.stem}", path.resolve())
    if spec is None or spec.loader is None:
        raise InputError(f"--calculator: expected a Python file whose name ends in .py, found {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # classes that are pickled look their module up
    sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        place = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        raise InputError(
            f"--calculator: expected a file that can be imported, found that {path}{place} raises {error_line(error)}"
        ) from error
    finally:
        sys.path.remove(str(path.resolve().parent))
    if not hasattr(module, name):
        own = (n for n, v in vars(module).items() if _is_calculator(v) or getattr(v, "__module__", "") == spec.name)
        raise InputError(f"--calculator: expected the name {name} in {path}, found only {', '.join(own) or 'none'}")
    return getattr(module, name)


def _is_calculator(thing: Any) -> bool:
    return not isinstance(thing, type) and hasattr(thing, "get_potential_energy") and hasattr(thing, "get_forces")


def _takes_directory(function: Callable[..., Any]) -> bool:
    try:
        return "directory" in inspect.signature(function).parameters
    except (TypeError, ValueError):  # some built-in classes do not tell
        return False


def _kind(thing: Any) -> str:
    if isinstance(thing, type):
        return f"the class {thing.__name__}"
    return "nothing" if thing is None else f"an object of the class {type(thing).__name__}"


def error_line(error: BaseException) -> str:
    """Return type and first line of an error."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__


class Recorded(Calculator):  # type: ignore[misc]
    """The user's calculator for one structure: counts the calculations, keeps the last one, refuses nonsense.

    Keeping the last result here lets several images share one calculator.

    Parameters
    ----------
    calculator : ASE calculator

    Attributes
    ----------
    calls : int
        Energies and forces computed so far.
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "forces"]

    def __init__(self, calculator: Any) -> None:
        super().__init__()
        self._calculator = calculator
        self.calls = 0

    def check_state(self, atoms: Atoms, tol: float = 0.0) -> list[str]:
        """Name what changed since the last calculation: positions or nothing, the rest stays for good."""
        same = self.atoms is not None and np.array_equal(self.atoms.positions, atoms.positions)
        return [] if same else ["positions"]

    def calculate(
        self, atoms: Atoms | None = None, properties: Any = ("energy",), system_changes: Any = all_changes
    ) -> None:
        """Compute energy (eV) and forces (n_atoms, 3) (eV/Å) without constraints.

        Raises
        ------
        CalculatorError
        """
        super().calculate(atoms, properties, system_changes)
        structure = self.atoms.copy()
        structure.set_constraint()
        structure.calc = self._calculator
        self.calls += 1
        try:
            energy = np.asarray(structure.get_potential_energy(), dtype=np.float64)
            forces = np.asarray(structure.get_forces(), dtype=np.float64)
        except Exception as error:
            raise CalculatorError(f"the calculator raises {error_line(error)}") from error
        if energy.size != 1 or not np.isfinite(energy).all():
            raise CalculatorError(f"the calculator must return a finite energy; got {energy.tolist()}")
        if forces.shape != (len(structure), 3) or not np.isfinite(forces).all():
            raise CalculatorError(
                f"the calculator must return finite forces of shape {(len(structure), 3)}; got shape {forces.shape}, "
                f"{int((~np.isfinite(forces)).sum())} of them not finite"
            )
        self.results = {"energy": float(energy.reshape(())), "forces": forces}
