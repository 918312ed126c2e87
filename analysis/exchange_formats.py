"""Frames for programs that do not read H5MD: extended XYZ (OVITO, ASE), arrays (pymatgen-analysis-diffusion)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from ase.data import chemical_symbols

from analysis.atoms_of_run import atoms_of_run
from analysis.frames import Trajectory
from analysis.h5md import PICOSECONDS, write_h5md
from lattice.network import PoreNetwork
from structures.errors import InputError
from structures.files import whole_file

_FEMTOSECONDS = 1e15  # in a second


def write_extended_xyz(path: str | Path, trajectory: Trajectory, network: PoreNetwork | None = None) -> None:
    """Write all frames of a run as extended XYZ: element, unwrapped position (Å), kind, charge (e), number of the atom.

    Every frame has its time in ps. OVITO shows ions inside the cell with its modifier "Wrap at periodic boundaries".

    Parameters
    ----------
    path : str or Path
    trajectory : Trajectory
    network : PoreNetwork, optional
        Of the run, for the framework.

    Raises
    ------
    InputError
        If the frames cannot be read.
    OSError
        If the file cannot be written; an older one is as it was.
    """
    atoms = atoms_of_run(trajectory, network)
    symbols = [chemical_symbols[number] for number in atoms.numbers]
    tails = [
        f"{kind} {charge:.6g} {k}"
        for k, (kind, charge) in enumerate(zip(_words(atoms.kinds), atoms.charges, strict=True))
    ]
    cell = " ".join(f"{x:.10g}" for x in atoms.cell.ravel())
    head = f'Lattice="{cell}" Properties=species:S:1:pos:R:3:kind:S:1:charge:R:1:id:I:1 pbc="T T T"'
    still = [f"{x:.6f} {y:.6f} {z:.6f}" for x, y, z in atoms.framework.tolist()]
    frame = 0
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8") as text:
        for block in trajectory.blocks():
            for ions in block @ atoms.rotation:
                time = frame * trajectory.time_step * PICOSECONDS
                text.write(f"{len(symbols)}\n{head} Time={time:.10g} temperature={trajectory.temperature:.6g}\n")
                moving = [f"{x:.6f} {y:.6f} {z:.6f}" for x, y, z in ions.tolist()]
                lines = zip(symbols, (*moving, *still), tails, strict=True)
                text.writelines(f"{symbol} {place} {tail}\n" for symbol, place, tail in lines)
                frame += 1


def write_displacement_arrays(path: str | Path, trajectory: Trajectory, network: PoreNetwork | None = None) -> None:
    """Write what `DiffusionAnalyzer` of pymatgen-analysis-diffusion takes, as one .npz of NumPy.

    Arrays: `displacements` (n_atoms, n_frames - 1, 3), Å, since the first frame; `lattice` (3, 3), Å; `frac_coords`
    (n_atoms, 3) at the first frame; `numbers` (n_atoms,); `kind` (n_atoms,); `charges` (n_atoms,), e; `time_step`, fs,
    between two frames; `temperature`, K. All frames are in memory at once, as they are there.

    Parameters
    ----------
    path : str or Path
    trajectory : Trajectory
    network : PoreNetwork, optional
        Of the run, for the framework.

    Raises
    ------
    InputError
        If the frames cannot be read.
    OSError
        If the file cannot be written; an older one is as it was.
    """
    atoms = atoms_of_run(trajectory, network)
    place = atoms.placed(trajectory.positions())
    with whole_file(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(
            stream,
            displacements=np.swapaxes(place[1:] - place[0], 0, 1),
            lattice=atoms.cell,
            frac_coords=place[0] @ np.linalg.inv(atoms.cell),
            numbers=atoms.numbers,
            kind=np.array(atoms.kinds),
            charges=atoms.charges,
            time_step=trajectory.time_step * _FEMTOSECONDS,
            temperature=trajectory.temperature,
        )


Writer = Callable[[str | Path, Trajectory, PoreNetwork | None], None]
FORMATS: MappingProxyType[str, tuple[str, Writer]] = MappingProxyType({
    "h5md": (".h5md", write_h5md),
    "xyz": (".xyz", write_extended_xyz),
    "npz": (".npz", write_displacement_arrays),
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Export:
    """A file for other programs.

    Attributes
    ----------
    path : Path
    frames, ions : int
    statements : tuple of str
        What to mind when it is read.
    """

    path: Path
    frames: int
    ions: int
    statements: tuple[str, ...]


def export_frames(
    task: str | Path, network: PoreNetwork, folder: str | Path, form: str, *, framework: bool = True
) -> Export:  # fmt: skip
    """Write the frames of one task in another format, under the name of the task.

    Parameters
    ----------
    task : str or Path
        File of a finished task with frames.
    network : PoreNetwork
        Of the run.
    folder : str or Path
        Must be there.
    form : str
        "h5md", "xyz" or "npz".
    framework : bool
        Write its atoms behind the ions.

    Raises
    ------
    InputError
        If the format is unknown, or the task holds no frames or is of another network.
    OSError
        If the file cannot be written.
    """
    if form not in FORMATS:
        raise InputError(f"format: expected one of {', '.join(FORMATS)}; found {form}")
    ending, write = FORMATS[form]
    path = Path(folder) / f"{Path(task).stem}{ending}"
    trajectory = Trajectory.from_task(task, network)
    write(path, trajectory, network if framework else None)
    step = largest_step(trajectory)
    far = (
        f"{trajectory.name}: an ion moves by {step:.2g} times the width of the supercell between two frames; programs "
        "that take the nearest image (kinisi) misjudge such steps: keep frames more often (frames_every)"
    )
    return Export(path, trajectory.n_frames, trajectory.n_ions, (far,) if step > 0.5 else ())


def largest_step(trajectory: Trajectory) -> float:
    """Largest change of a fractional coordinate of an ion between two frames; above one half it is not seen."""
    to_fractions, largest, last = np.linalg.inv(trajectory.cell), 0.0, np.zeros((0, trajectory.n_ions, 3))
    for block in trajectory.blocks():
        steps = np.diff(np.concatenate([last, block]), axis=0) @ to_fractions
        largest = max(largest, float(np.abs(steps).max(initial=0.0)))
        last = block[-1:]
    return largest


def _words(kinds: tuple[str, ...]) -> list[str]:
    """Kinds without what extended XYZ separates columns by."""
    return ["_".join(kind.split()) or "ion" for kind in kinds]
