"""The file of one task: what it was, what it measured and where it ended; and the checkpoint of a run in progress.

Layout of a task: its attributes; /species, /samples, /msd, /statistics, /state, /provenance, and /frames if frames were
asked for. Layout of a checkpoint: its attributes; /state and /sampler, from which the run goes on bit for bit.
Everything but the attributes of /provenance is the same wherever and however often interrupted the task was computed.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from dataclasses import field as dataclass_field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from kmc.frames import write_frames
from kmc.hdf5 import create_file, open_file
from kmc.kernels import Sampler
from kmc.sampling import Frames, Samples
from kmc.simulation import Simulation
from kmc.state import State, species_counts
from kmc.tables import Conditions
from structures.checks import as_array
from structures.versions import program_versions

_TASK = "the file of a finished task"
_ATTRIBUTES: dict[str, type] = {
    "seed": int,
    "temperature": float,
    "volume": float,
    "composition": float,
    "composition_name": str,
    "replica": int,
    "attempt_frequency": float,
    "rate_model": str,
    "network_hash": str,
    "settings": str,
    "deck": str,
    "blocked": bool,
}
_ADDED_ATTRIBUTES, _ADDED_STATISTICS = ("field", "cell"), ("site_occupation", "site_departures")  # not in every file


@dataclass(frozen=True, slots=True)
class TaskLabel:
    """What tells one task of a campaign from the others.

    Attributes
    ----------
    key : str
        Unique in the campaign.
    seed : int
        Of the deck.
    composition : float
    composition_name : str
        "x" for an exchange fraction, "M" for a molarity.
    replica : int
    network_hash, deck : str
        The deck is TOML text.
    settings : str
        Checksum of all values of the deck that decide the numbers of the task; empty if nobody compares them.
    """

    key: str
    seed: int
    composition: float
    composition_name: str
    replica: int
    network_hash: str
    deck: str
    settings: str = ""

    def difference(self, found: TaskLabel) -> str:
        """Say in what a task that was found is another one; empty if it is the same but for the text of the deck."""
        for name in ("key", "seed", "composition_name", "composition", "replica", "network_hash", "settings"):
            expected, other = getattr(self, name), getattr(found, name)
            if expected != other:
                return f"{name} {expected} was expected, found {other}"
        return ""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where and how long a task was computed, all its parts together.

    Attributes
    ----------
    seconds : float
        On the wall, equilibration included.
    parts : int
        One more than it was interrupted.
    hosts, ranks, threads : int
        Of the calculation that finished it; threads of each process.
    """

    seconds: float = 0.0
    parts: int = 1
    hosts: int = 1
    ranks: int = 1
    threads: int = 1


@dataclass(frozen=True, eq=False, slots=True)
class Checkpoint:
    """A run in progress, see `Simulation.begin`.

    Attributes
    ----------
    label : TaskLabel
    conditions : Conditions
    state : State
        Of the simulation, between two parts of the run.
    sampler : Sampler
    seconds : float
        On the wall so far.
    parts : int
        In which it was computed so far.
    """

    label: TaskLabel
    conditions: Conditions
    state: State
    sampler: Sampler
    seconds: float = 0.0
    parts: int = 1

    @property
    def fraction(self) -> float:
        """Share of the samples that are taken."""
        return float(self.sampler.next_sample[0]) / len(self.sampler.time)


@dataclass(frozen=True, eq=False, slots=True)
class TaskRecord:
    """Everything in a task file but the final state and the frames; see Samples for the measured quantities.

    Attributes
    ----------
    key, seed, composition, composition_name, replica, network_hash, deck, settings
        See TaskLabel.
    temperature : float, K
    volume : float, Å³
        Of the supercell.
    attempt_frequency : float
        Factor on all rates, in the unit that `rate_model` asks for; see Conditions.
    rate_model : str
        Where the rates come from, see PoreNetwork.
    permittivity : (3, 3) float64
    blocked : bool
        Whether the run ended without an open hop.
    species_names : (n_species,) tuple of str
    species_charge : (n_species,) float64, e
    species_count : (n_species,) int64
    species_mobile : (n_species,) bool
    time : (n_samples,) float64, s
    displacement : (n_samples, n_species, 3) float64, Å
    events : (n_samples,) int64
    energy : (n_samples,) float64, eV
    lag : (n_lags,) float64, s
    msd : (n_lags, n_species, 3) float64, Å²
    origins : (n_lags,) int64
    hop_orbit_events, hop_orbit_returns : (n_orbits,) int64
    drift : float, eV
    field : (3,) float64, V/Å
    cell : (3, 3) float64, Å
        Of the supercell; zero in files that do not tell.
    site_occupation, site_departures : (n_sites,) float64, int64
        By site of the network's cell; empty in files that do not tell.
    passed_over : float
        Hops that superbasins have passed over, with their expected number.

    Raises
    ------
    ValueError
        If a shape is wrong.
    """

    key: str
    seed: int
    temperature: float
    volume: float
    composition: float
    composition_name: str
    replica: int
    attempt_frequency: float
    rate_model: str
    permittivity: NDArray[np.float64]
    network_hash: str
    deck: str
    blocked: bool
    species_names: tuple[str, ...]
    species_charge: NDArray[np.float64]
    species_count: NDArray[np.int64]
    species_mobile: NDArray[np.bool_]
    time: NDArray[np.float64]
    displacement: NDArray[np.float64]
    events: NDArray[np.int64]
    energy: NDArray[np.float64]
    lag: NDArray[np.float64]
    msd: NDArray[np.float64]
    origins: NDArray[np.int64]
    hop_orbit_events: NDArray[np.int64]
    hop_orbit_returns: NDArray[np.int64]
    drift: float
    settings: str = ""
    field: NDArray[np.float64] = dataclass_field(default_factory=lambda: np.zeros(3))
    cell: NDArray[np.float64] = dataclass_field(default_factory=lambda: np.zeros((3, 3)))
    site_occupation: NDArray[np.float64] = dataclass_field(default_factory=lambda: np.zeros(0))
    site_departures: NDArray[np.int64] = dataclass_field(default_factory=lambda: np.zeros(0, np.int64))
    passed_over: float = 0.0

    def __post_init__(self) -> None:
        n_species, n_times, n_lags = len(self.species_names), len(self.time), len(self.lag)
        for name, dtype, shape in (
            ("permittivity", np.float64, (3, 3)),
            ("species_charge", np.float64, (n_species,)),
            ("species_count", np.int64, (n_species,)),
            ("species_mobile", np.bool_, (n_species,)),
            ("time", np.float64, (n_times,)),
            ("displacement", np.float64, (n_times, n_species, 3)),
            ("events", np.int64, (n_times,)),
            ("energy", np.float64, (n_times,)),
            ("lag", np.float64, (n_lags,)),
            ("origins", np.int64, (n_lags,)),
            ("hop_orbit_events", np.int64, (None,)),
            ("hop_orbit_returns", np.int64, (len(self.hop_orbit_events),)),
            ("field", np.float64, (3,)),
            ("cell", np.float64, (3, 3)),
            ("site_occupation", np.float64, (None,)),
            ("site_departures", np.int64, (len(self.site_occupation),)),
        ):
            object.__setattr__(self, name, as_array(getattr(self, name), name, dtype, shape))
        msd = np.array(self.msd, np.float64)  # nan for a species without ions
        if msd.shape != (n_lags, n_species, 3):
            raise ValueError(f"msd must have shape {(n_lags, n_species, 3)}; got {msd.shape}")
        msd.flags.writeable = False
        object.__setattr__(self, "msd", msd)


def task_record(simulation: Simulation, samples: Samples, label: TaskLabel) -> TaskRecord:
    """Put the label of a task, the conditions of its simulation and what it measured together."""
    lattice, state = simulation.lattice, simulation.state
    species = lattice.network.species
    still = {int(p) for p in state.ion_species[~state.mobile]}
    return TaskRecord(
        key=label.key,
        seed=label.seed,
        temperature=simulation.conditions.temperature,
        volume=lattice.volume,
        composition=label.composition,
        composition_name=label.composition_name,
        replica=label.replica,
        attempt_frequency=simulation.conditions.attempt_frequency,
        rate_model=lattice.network.rate_model,
        permittivity=lattice.permittivity,
        network_hash=label.network_hash,
        deck=label.deck,
        blocked=samples.blocked,
        species_names=tuple(s.name for s in species),
        species_charge=np.array([s.charge for s in species]),
        species_count=species_counts(state, len(species)),
        species_mobile=np.array([p not in still for p in range(len(species))]),
        time=samples.time,
        displacement=samples.displacement,
        events=samples.events,
        energy=samples.energy,
        lag=samples.lag,
        msd=samples.msd,
        origins=samples.origins,
        hop_orbit_events=samples.hop_orbit_events,
        hop_orbit_returns=samples.hop_orbit_returns,
        drift=samples.drift,
        settings=label.settings,
        field=simulation.conditions.field,
        cell=lattice.cell,
        site_occupation=samples.site_occupation,
        site_departures=samples.site_departures,
        passed_over=0.0 if simulation.flicker is None else simulation.flicker.skipped,
    )


def write_task(
    path: str | Path,
    record: TaskRecord,
    *,
    state: State | None = None,
    frames: Frames | None = None,
    provenance: Provenance | None = None,
) -> None:
    """Write the file of a finished task; it appears under its name whole or not at all.

    Parameters
    ----------
    path : str or Path
        An existing file is replaced.
    record : TaskRecord
    state : State, optional
        The final state, complete for a restart.
    frames : Frames, optional
    provenance : Provenance, optional
    """
    with create_file(path) as file:
        _write(file, record, state, frames)
        group = file.create_group("provenance")
        deck = {"deck_sha256": hashlib.sha256(record.deck.encode()).hexdigest()}
        for name, value in {**asdict(provenance or Provenance()), **deck, **program_versions()}.items():
            group.attrs[name] = value


def read_task(path: str | Path) -> TaskRecord:
    """Read the file of a finished task.

    Raises
    ------
    InputError
        If the file is missing, damaged, unfinished or of another format.
    """
    with open_file(path, _TASK) as file:
        samples, msd, statistics, species = file["samples"], file["msd"], file["statistics"], file["species"]
        attributes: dict[str, Any] = {name: kind(file.attrs[name]) for name, kind in _ATTRIBUTES.items()}
        return TaskRecord(
            key=str(file.attrs["task"]),
            permittivity=file.attrs["permittivity"],
            species_names=tuple(species["name"].asstr()[...].tolist()),
            species_charge=species["charge"][...],
            species_count=species["count"][...],
            species_mobile=species["mobile"][...],
            time=samples["time"][...],
            displacement=samples["displacement"][...],
            events=samples["events"][...],
            energy=samples["energy"][...],
            lag=msd["lag"][...],
            msd=msd["tracer"][...],
            origins=msd["origins"][...],
            hop_orbit_events=statistics["hop_orbit_events"][...],
            hop_orbit_returns=statistics["hop_orbit_returns"][...],
            drift=float(statistics.attrs["drift"]),
            passed_over=float(statistics.attrs.get("passed_over", 0.0)),
            **attributes,
            **{name: file.attrs[name] for name in _ADDED_ATTRIBUTES if name in file.attrs},
            **{name: statistics[name][...] for name in _ADDED_STATISTICS if name in statistics},
        )


def read_state(path: str | Path) -> State:
    """Read the final state of a task; a simulation continues from it bit for bit.

    Raises
    ------
    InputError
        As `read_task`, or if the file holds no state.
    """
    with open_file(path, f"{_TASK} with its state") as file:
        return _read_state(file["state"])


def read_label(path: str | Path) -> TaskLabel:
    """Read which task a file is of, and nothing else of it but its checksum.

    Raises
    ------
    InputError
        As `read_task`.
    """
    with open_file(path, _TASK) as file:
        return _read_label(file)


def read_provenance(path: str | Path) -> dict[str, str | int | float]:
    """Read where a task was computed: the fields of Provenance, the checksum of the deck, the versions of all programs.

    Raises
    ------
    InputError
        As `read_task`.
    """
    with open_file(path, _TASK) as file:
        return {name: getattr(value, "item", lambda v=value: v)() for name, value in file["provenance"].attrs.items()}


def write_checkpoint(path: str | Path, checkpoint: Checkpoint) -> None:
    """Write a run in progress; the file appears whole, and an older one is there until then."""
    with create_file(path) as file:
        _write_label(file, checkpoint.label)
        for name in ("temperature", "attempt_frequency", "field"):
            file.attrs[name] = getattr(checkpoint.conditions, name)
        for name in ("seconds", "parts", "fraction"):
            file.attrs[name] = getattr(checkpoint, name)
        _write_state(file.create_group("state"), checkpoint.state)
        group = file.create_group("sampler")
        for name, value in checkpoint.sampler._asdict().items():
            if isinstance(value, np.ndarray):
                group[name] = value
            else:
                group.attrs[name] = value


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a run in progress; `Simulation.advance` takes it further in a simulation of its state and conditions.

    Raises
    ------
    InputError
        If the file is missing, damaged, unfinished or of another format, or is not a checkpoint.
    """
    with open_file(path, "the checkpoint of a run") as file:
        group, at = file["sampler"], file.attrs
        values = {name: group[name][...] for name in Sampler._fields if name in group}
        values |= {name: group.attrs[name].item() for name in Sampler._fields if name not in group}
        return Checkpoint(
            label=_read_label(file),
            conditions=Conditions(float(at["temperature"]), float(at["attempt_frequency"]), at["field"]),
            state=_read_state(file["state"]),
            sampler=Sampler(**values),
            seconds=float(at["seconds"]),
            parts=int(at["parts"]),
        )


def read_progress(path: str | Path) -> tuple[float, int, float]:
    """Read how far the run of a checkpoint is: the share of its samples, its hops, and its seconds on the wall.

    Raises
    ------
    InputError
        As `read_checkpoint`.
    """
    with open_file(path, "the checkpoint of a run") as file:
        made = int(file["state"].attrs["n_events"]) - int(file["sampler"].attrs["first_event"])
        return float(file.attrs["fraction"]), made, float(file.attrs["seconds"])


def _write(file: h5py.File, record: TaskRecord, state: State | None, frames: Frames | None) -> None:
    file.attrs["task"] = record.key
    for name in (*_ATTRIBUTES, "permittivity", *_ADDED_ATTRIBUTES):
        file.attrs[name] = getattr(record, name)
    text = h5py.string_dtype()
    file.create_dataset("species/name", data=np.array(record.species_names, dtype=object), dtype=text)
    for name in ("charge", "count", "mobile"):
        file[f"species/{name}"] = getattr(record, f"species_{name}")
    for name in ("time", "displacement", "events", "energy"):
        file.create_dataset(f"samples/{name}", data=getattr(record, name), compression="gzip", compression_opts=4)
    for name, array in (("lag", record.lag), ("tracer", record.msd), ("origins", record.origins)):
        file[f"msd/{name}"] = array
    for name in ("hop_orbit_events", "hop_orbit_returns", *_ADDED_STATISTICS):
        file[f"statistics/{name}"] = getattr(record, name)
    file["statistics"].attrs["drift"] = record.drift
    file["statistics"].attrs["passed_over"] = record.passed_over
    file["statistics"].attrs["events"] = int(record.events[-1])
    if state is not None:
        _write_state(file.create_group("state"), state)
    if frames is not None:
        write_frames(file.create_group("frames"), frames)


def _write_label(file: h5py.File, label: TaskLabel) -> None:
    for field in fields(TaskLabel):
        file.attrs["task" if field.name == "key" else field.name] = getattr(label, field.name)


def _read_label(file: h5py.File) -> TaskLabel:
    kinds = {"seed": int, "replica": int, "composition": float}
    names = {field.name: "task" if field.name == "key" else field.name for field in fields(TaskLabel)}
    return TaskLabel(**{name: kinds.get(name, str)(file.attrs[stored]) for name, stored in names.items()})


def _write_state(group: h5py.Group, state: State) -> None:
    for name, array in state.arrays().items():
        group[name] = array
    for name in ("time", "next_time", "n_events"):
        group.attrs[name] = getattr(state, name)
    group.attrs["generator"] = json.dumps(state.rng.bit_generator.state, default=np.ndarray.tolist)


def _read_state(group: h5py.Group) -> State:
    generator = json.loads(group.attrs["generator"])
    bits = getattr(np.random, generator["bit_generator"])()
    bits.state = generator
    return State(
        **{name: group[name][...] for name in group},
        time=float(group.attrs["time"]),
        next_time=float(group.attrs["next_time"]),
        n_events=int(group.attrs["n_events"]),
        rng=np.random.Generator(bits),
    )
