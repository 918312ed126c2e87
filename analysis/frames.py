"""Unwrapped positions of the ions of one run at uniform times, block by block: only a block is ever in memory."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kmc.frames import frame_shape, stream_frames
from kmc.trajectory import TaskRecord, read_task
from lattice.network import PoreNetwork
from lattice.supercell import cell_coordinates
from structures.checks import as_array
from structures.errors import InputError

BLOCK = 2**24  # bytes of positions


@dataclass(frozen=True, eq=False, slots=True)
class Trajectory:
    """Where to find the positions of all ions of one run, and what they are.

    Attributes
    ----------
    name : str
        Key of the task.
    species_names : (n_species,) tuple of str
    charge : (n_species,) float64, e
    ion_species : (n_ions,) int32
    cell : (3, 3) float64, Å
        Of the supercell, vectors in rows.
    repeats : (3,) tuple of int
        Cells of the crystal in it.
    temperature : float, K
    time_step : float, s
        Between two frames.
    n_frames : int
    """

    name: str
    species_names: tuple[str, ...]
    charge: NDArray[np.float64]
    ion_species: NDArray[np.int32]
    cell: NDArray[np.float64]
    repeats: tuple[int, int, int]
    temperature: float
    time_step: float
    n_frames: int
    _blocks: Callable[[int], Iterator[NDArray[np.float64]]]

    @property
    def n_ions(self) -> int:
        """Ions of all species."""
        return len(self.ion_species)

    @property
    def volume(self) -> float:
        """Volume of the supercell, Å³."""
        return float(abs(np.linalg.det(self.cell)))

    @property
    def count(self) -> NDArray[np.int64]:
        """Ions of every species, (n_species,)."""
        return np.bincount(self.ion_species, minlength=len(self.species_names))

    def blocks(self, together: int | None = None) -> Iterator[NDArray[np.float64]]:
        """Give the unwrapped positions (m, n_ions, 3), Å, of at most so many frames at a time, in order.

        Parameters
        ----------
        together : int, optional
            By default as many as 16 MiB hold.
        """
        return self._blocks(together or max(1, BLOCK // (24 * max(self.n_ions, 1))))

    def positions(self) -> NDArray[np.float64]:
        """Unwrapped positions of all frames at once, (n_frames, n_ions, 3), Å."""
        return np.concatenate(list(self.blocks()))

    @classmethod
    def from_task(cls, path: str | Path, network: PoreNetwork) -> Trajectory:
        """Find the frames in the file of a task.

        Parameters
        ----------
        path : str or Path
        network : PoreNetwork
            Of the run.

        Raises
        ------
        InputError
            If the file is no task with frames, or is of another network.
        """
        record = read_task(path)
        n_frames, n_ions, every = frame_shape(path)
        if record.network_hash and record.network_hash != network.content_hash:
            raise InputError(f"{path}: must belong to network {network.name}; it was computed with another one")
        repeats = _repeats(record, network, path)
        sites = (cell_coordinates(repeats)[:, None, :] + network.site_frac).reshape(-1, 3) @ network.cell
        cell = network.cell * np.array(repeats)[:, None]

        def blocks(together: int) -> Iterator[NDArray[np.float64]]:
            for site, image in stream_frames(path, together):
                yield sites[site] + image @ cell

        return cls(
            name=record.key,
            species_names=record.species_names,
            charge=record.species_charge,
            ion_species=np.repeat(np.arange(len(record.species_names), dtype=np.int32), record.species_count),
            cell=cell,
            repeats=repeats,
            temperature=record.temperature,
            time_step=every * float(record.time[1]),
            n_frames=n_frames if n_ions else 0,
            _blocks=blocks,
        )

    @classmethod
    def from_arrays(
        cls,
        positions: ArrayLike,
        *,
        time_step_s: float,
        species: Sequence[str],
        charges: ArrayLike,
        cell_A: ArrayLike,
        temperature_K: float,
    ) -> Trajectory:
        """Take positions of anyone.

        Parameters
        ----------
        positions : (n_frames, n_ions, 3) array_like, Å
            Unwrapped.
        time_step_s : float
            Between two frames.
        species : sequence of str
            Of every ion.
        charges : (n_ions,) array_like, e
        cell_A : (3, 3) array_like
            Vectors of the periodic cell in rows.
        temperature_K : float

        Raises
        ------
        InputError
            If a shape is wrong, a number is not finite, or ions of one name have different charges.
        """
        try:
            place = as_array(positions, "positions", np.float64, (None, len(species), 3))
            each = as_array(charges, "charges", np.float64, (len(species),))
            cell = as_array(cell_A, "cell_A", np.float64, (3, 3))
        except ValueError as error:
            raise InputError(str(error)) from None
        if not (len(place) and time_step_s > 0 and temperature_K > 0):
            raise InputError(
                "positions, time_step_s and temperature_K: expected at least one frame and positive numbers; "
                f"found {len(place)} frames, {time_step_s} s, {temperature_K} K"
            )
        names = tuple(dict.fromkeys(species))
        kind = np.array([names.index(name) for name in species], np.int32)
        charge = np.array([each[kind == p][0] for p in range(len(names))])
        if (each != charge[kind]).any():
            raise InputError("charges: expected one charge for all ions of a name; found several")
        return cls(
            name="arrays",
            species_names=names,
            charge=charge,
            ion_species=kind,
            cell=cell,
            repeats=(1, 1, 1),
            temperature=temperature_K,
            time_step=time_step_s,
            n_frames=len(place),
            _blocks=lambda together: (place[k : k + together] for k in range(0, len(place), together)),
        )


def _repeats(record: TaskRecord, network: PoreNetwork, path: str | Path) -> tuple[int, int, int]:
    """Cells in the supercell of a task, from the deck where the file itself does not tell."""
    repeats = tuple(np.rint(np.linalg.norm(record.cell, axis=1) / np.linalg.norm(network.cell, axis=1)).astype(int))
    if not record.cell.any():
        repeats = tuple(tomllib.loads(record.deck).get("lattice", {}).get("repeats", (0, 0, 0)))
    volume = float(np.prod(repeats)) * network.volume
    if not abs(volume - record.volume) <= 1e-6 * record.volume:
        raise InputError(
            f"{path}: expected whole cells of the network in {record.volume:.6g} Å³; found {repeats}, {volume:.6g} Å³"
        )
    a, b, c = (int(n) for n in repeats)
    return a, b, c


def same_kind(trajectories: Sequence[Trajectory]) -> Trajectory:
    """Give the first of some replicas after a look at all: same ions, supercell and temperature.

    Raises
    ------
    InputError
        If there is none, or they differ.
    """
    if not trajectories:
        raise InputError("trajectories: expected at least one run with frames; found none")
    first = trajectories[0]
    for other in trajectories[1:]:
        for name in ("species_names", "charge", "ion_species", "cell", "temperature"):
            if not np.array_equal(getattr(first, name), getattr(other, name)):
                raise InputError(f"trajectories: expected replicas of {first.name}; {other.name} has another {name}")
    return first
