"""Displacements of the replicas of one composition and temperature: what every estimator takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import shorten
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kmc.trajectory import TaskRecord
from structures.checks import as_array
from structures.errors import InputError

Arrays = tuple[NDArray[np.float64], ...]
LEAST_SAMPLES = 3
PAIRS = ((1, 2), (0, 2), (0, 1))  # yz, xz, xy: the order of `msd_cross`
UNIFORM = 1e-6  # largest deviation of a time step from their mean, in steps
IONS_AT_ONCE = 2**22  # complex numbers of one Fourier transform


@dataclass(frozen=True, eq=False, slots=True)
class Displacements:
    """Displacements of all replicas of one composition and temperature; read-only.

    Attributes
    ----------
    species_names : (n_species,) tuple of str
    charge : (n_species,) float64, e
    count : (n_species,) int64
    mobile : (n_species,) bool
    volume : float, Å³
    temperature : float, K
    time : tuple of (n_samples,) float64, s
        One per replica, uniform from 0.
    collective : tuple of (n_samples, n_species, 3) float64, Å
        Sum over the ions of a species of their unwrapped displacement since the start.
    lag : tuple of (n_lags,) float64, s
        Positive and ascending.
    msd : tuple of (n_lags, n_species, 3) float64, Å²
        Mean over ions and time origins of the squares of the Cartesian components; 0 for a species without ions.
    blocked : tuple of bool
        Replicas that found no open hop. They count as zero displacement: by detailed balance no run can enter such a
        state, but it is one of the equilibrium states that the replicas start from. Arrays do not tell.
    cell : (3, 3) float64, Å, or None
        Rows are the vectors a, b, c of the crystal.
    field : (3,) float64, V/Å
    msd_cross : tuple of (n_lags, n_species, 3) float64, Å², or None
        Mean products yz, xz, xy of the components, where they are known.
    label : str
        What the statements of estimators begin with, "x = 0.5, 300 K".
    statements : tuple of str
        What was left out and why.

    Raises
    ------
    InputError
        If an array has the wrong shape, holds a number that is not finite, or is too short, if times are not uniform,
        or if volume or temperature is not positive; one line that names the replica.
    """

    species_names: tuple[str, ...]
    charge: NDArray[np.float64]
    count: NDArray[np.int64]
    mobile: NDArray[np.bool_]
    volume: float
    temperature: float
    time: Arrays
    collective: Arrays
    lag: Arrays
    msd: Arrays
    blocked: tuple[bool, ...]
    cell: NDArray[np.float64] | None
    field: NDArray[np.float64]
    msd_cross: Arrays | None = None
    label: str = ""
    statements: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n_species, n_replicas = len(self.species_names), len(self.time)
        if not n_species or not n_replicas:
            raise InputError(f"displacements: expected species and replicas; found {n_species} and {n_replicas}")
        for name, unit in (("volume", "Å³"), ("temperature", "K")):
            value = getattr(self, name)
            if not (np.isfinite(value) and value > 0):
                raise InputError(f"{name}: expected a positive number in {unit}; found {value}")
        self._keep("charge", np.float64, (n_species,))
        self._keep("count", np.int64, (n_species,))
        self._keep("mobile", np.bool_, (n_species,))
        self._keep("field", np.float64, (3,))
        if self.cell is not None:
            self._keep("cell", np.float64, (3, 3))
        series = ("collective", "lag", "msd", "blocked") + (("msd_cross",) if self.msd_cross is not None else ())
        for name in series:
            if len(getattr(self, name)) != n_replicas:
                raise InputError(
                    f"{name}: expected one for each of {n_replicas} replicas; found {len(getattr(self, name))}"
                )
        times = [_checked_time(t, k) for k, t in enumerate(self.time)]
        lags = [_checked_lag(t, k) for k, t in enumerate(self.lag)]
        object.__setattr__(self, "time", tuple(times))
        object.__setattr__(self, "lag", tuple(lags))
        for name, lengths in (("collective", times), ("msd", lags), ("msd_cross", lags)):
            if name in (*series, "collective"):
                arrays = getattr(self, name)
                kept = [
                    _checked(a, f"{name} of replica {k}", (len(t), n_species, 3))
                    for k, (a, t) in enumerate(zip(arrays, lengths, strict=True))
                ]
                object.__setattr__(self, name, tuple(kept))

    def _keep(self, name: str, dtype: Any, shape: tuple[int, ...]) -> None:
        object.__setattr__(self, name, _checked(getattr(self, name), name, shape, dtype))

    @property
    def n_replicas(self) -> int:
        """Replicas, blocked ones included."""
        return len(self.time)

    @property
    def duration(self) -> NDArray[np.float64]:
        """Length of every replica, (n_replicas,), s."""
        return np.array([t[-1] for t in self.time])

    @property
    def moves(self) -> NDArray[np.bool_]:
        """Species that are present and may move, (n_species,)."""
        return np.asarray(self.mobile & (self.count > 0))

    def on_common_grid(self) -> tuple[float, list[NDArray[np.float64]]]:
        """Time step, s, and collective displacements (n_samples, n_species, 3) on the coarsest grid of the replicas."""
        return common_grid(self.time, self.collective)

    @classmethod
    def from_records(cls, records: Sequence[TaskRecord], *, cell: NDArray[np.float64] | None = None) -> Displacements:
        """Take the replicas of one composition and temperature together.

        Replicas without samples are left out with a statement.

        Parameters
        ----------
        records : sequence of TaskRecord
        cell : (3, 3) float64, Å, optional
            Of the crystal, for the directions of its axes; the supercell if it is left out and the files tell it.

        Raises
        ------
        InputError
            If there is no record with samples, or the records are not replicas of each other.
        """
        if not records:
            raise InputError("records: expected at least one complete task; found none")
        first = records[0]
        for name in ("composition_name", "composition", "temperature", "volume", "network_hash", "species_names"):
            found = sorted({str(getattr(record, name)) for record in records})
            if len(found) > 1:
                raise InputError(f"records: expected replicas of one {name}; found {', '.join(found)}")
        for name in ("species_charge", "species_count", "species_mobile", "field"):
            if any(not np.array_equal(getattr(first, name), getattr(record, name)) for record in records):
                raise InputError(f"records: expected replicas of one {name}; found different ones")
        if cell is None and first.cell.any():
            cell = first.cell
        sampled = [r for r in records if len(r.time) >= LEAST_SAMPLES and r.time[-1] > 0 and (r.lag > 0).any()]
        if not sampled:
            raise InputError(f"records: expected tasks with samples; found {len(records)} without")
        label = f"{first.composition_name} = {first.composition:g}, {first.temperature:g} K"
        blocked = sum(bool(r.blocked) for r in records)
        said = (
            [f"{label}: {blocked} of {len(records)} replicas blocked, counted as zero: not ergodic"] if blocked else []
        )
        if len(sampled) < len(records):
            said.append(f"{label}: {len(records) - len(sampled)} replicas without samples left out")
        known = all(getattr(r, "msd_cross", None) is not None for r in sampled)
        return cls(
            species_names=first.species_names,
            charge=first.species_charge,
            count=first.species_count,
            mobile=first.species_mobile,
            volume=first.volume,
            temperature=first.temperature,
            time=tuple(r.time for r in sampled),
            collective=tuple(r.displacement * (not r.blocked) for r in sampled),
            lag=tuple(r.lag[r.lag > 0] for r in sampled),
            msd=tuple(_of_present(r, r.msd) for r in sampled),
            msd_cross=tuple(_of_present(r, getattr(r, "msd_cross")) for r in sampled) if known else None,  # noqa: B009
            blocked=tuple(bool(r.blocked) for r in sampled),
            cell=cell,
            field=first.field,
            label=label,
            statements=tuple(said),
        )

    @classmethod
    def from_arrays(
        cls,
        positions: ArrayLike | Sequence[ArrayLike],
        *,
        time_step_s: float,
        species: Sequence[str],
        charges: Mapping[str, float] | Sequence[float],
        volume_A3: float,
        temperature_K: float,
        mobile: Mapping[str, bool] | None = None,
        cell: ArrayLike | None = None,
        field: ArrayLike = (0.0, 0.0, 0.0),
        label: str = "",
    ) -> Displacements:
        """Take anybody's trajectories.

        Parameters
        ----------
        positions : (n_frames, n_ions, 3) or (n_replicas, n_frames, n_ions, 3) array_like, or a list of the former, Å
            Unwrapped, at equal intervals of time; replicas in a list may differ in length.
        time_step_s : float, s
            Between two frames.
        species : sequence of n_ions str
        charges : mapping of species to float, or sequence of n_ions float, e
        volume_A3 : float, Å³
        temperature_K : float, K
        mobile : mapping of species to bool, optional
            All move if it is left out.
        cell : (3, 3) array_like, Å, optional
            Of the crystal, for the directions of its axes; rows are a, b, c.
        field : (3,) array_like, V/Å
        label : str

        Raises
        ------
        InputError
            As the class; also if the positions look wrapped into a box, or ions of one species differ in charge.
        """
        names = tuple(dict.fromkeys(species))
        replicas = _replicas(positions, len(species))
        if not (np.isfinite(time_step_s) and time_step_s > 0):
            raise InputError(f"time_step_s: expected a positive time in s; found {time_step_s}")
        of_ion = np.array([names.index(name) for name in species])
        indicator: NDArray[np.float64] = np.eye(len(names))[of_ion]
        count = indicator.sum(axis=0)
        for k, path in enumerate(replicas):
            _refuse_wrapped(path, k, least=0.8 * float(volume_A3) ** (1 / 3))
        squares = [mean_products(path, indicator / count) for path in replicas]
        sums = [np.tensordot(path - path[0], indicator, axes=(1, 0)).swapaxes(1, 2) for path in replicas]
        return cls(
            species_names=names,
            charge=_charges(charges, species, names),
            count=count.astype(np.int64),
            mobile=np.array([True if mobile is None else bool(mobile.get(name, True)) for name in names]),
            volume=float(volume_A3),
            temperature=float(temperature_K),
            time=tuple(np.arange(len(path), dtype=np.float64) * time_step_s for path in replicas),
            collective=tuple(sums),
            lag=tuple(np.arange(1, len(path), dtype=np.float64) * time_step_s for path in replicas),
            msd=tuple(square[:, :, [0, 1, 2]] for square in squares),
            msd_cross=tuple(square[:, :, [3, 4, 5]] for square in squares),
            blocked=(False,) * len(replicas),
            cell=None if cell is None else np.asarray(cell, np.float64),
            field=np.asarray(field, np.float64),
            label=label,
            statements=_still_replicas(replicas, label),
        )


def common_grid(
    times: Sequence[NDArray[np.float64]], paths: Sequence[NDArray[np.float64]]
) -> tuple[float, list[NDArray[np.float64]]]:
    """Put replicas on the coarsest of their time grids; the state at t is the one that holds at t.

    Parameters
    ----------
    times : sequence of (n_samples,) float64, s
        Uniform, from 0.
    paths : sequence of (n_samples, ...) float64

    Returns
    -------
    step : float, s
    paths : list of (n_samples, ...) float64
    """
    steps = [float(t[-1] / (len(t) - 1)) for t in times]
    step = max(steps)
    resampled: list[NDArray[np.float64]] = []
    for own, t, path in zip(steps, times, paths, strict=True):
        wanted = np.arange(int(t[-1] / step * (1 + 1e-9)) + 1) * (step / own)
        resampled.append(path[np.minimum((wanted + 1e-6).astype(np.int64), len(path) - 1)])
    return step, resampled


def mean_products(path: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Products of displacement components over all time origins, weighted sums over ions, by Fourier transform.

    <Δa Δb>(τ) = Σ_t [a(t) b(t) + a(t+τ) b(t+τ) - a(t) b(t+τ) - a(t+τ) b(t)] / (N - τ), whose last two sums are
    correlations (V. Calandrini et al., Collection SFN 12, 201 (2011)).

    Parameters
    ----------
    path : (n_frames, n_ions, 3) float64
    weight : (n_ions, n_species) float64

    Returns
    -------
    (n_frames - 1, n_species, 6) float64
        At lags 1, 2, ...; xx, yy, zz, yz, xz, xy.
    """
    n_frames, n_ions, _ = path.shape
    length = 1 << (2 * n_frames - 1).bit_length()
    origins = n_frames - np.arange(1, n_frames)
    total = np.zeros((n_frames - 1, weight.shape[1], 6))
    chunk = max(IONS_AT_ONCE // (3 * length), 1)
    for begin in range(0, n_ions, chunk):
        part = path[:, begin : begin + chunk] - path[0, begin : begin + chunk]
        share = weight[begin : begin + chunk]
        transform = np.fft.rfft(part, n=length, axis=0)
        for k, (a, b) in enumerate(((0, 0), (1, 1), (2, 2), *PAIRS)):
            running = np.cumsum((part[:, :, a] * part[:, :, b]) @ share, axis=0)
            ends = running[-2::-1] + running[-1] - running[:-1]  # Σ of a b at the starts, and at the ends, of lag τ
            spectrum = (2 * (transform[:, :, a].conj() * transform[:, :, b]).real) @ share
            crossed = np.fft.irfft(spectrum, n=length, axis=0)[1:n_frames]
            total[:, :, k] += (ends - crossed) / origins[:, None]
    total[:, :, :3] = np.maximum(total[:, :, :3], 0.0)
    return total


def _checked(value: ArrayLike, name: str, shape: tuple[int | None, ...], dtype: Any = np.float64) -> NDArray[Any]:
    try:
        return as_array(value, name, dtype, shape)
    except (ValueError, TypeError) as error:
        raise InputError(str(error)) from None


def _checked_time(value: ArrayLike, replica: int) -> NDArray[np.float64]:
    time = _checked(value, f"time of replica {replica}", (None,))
    if len(time) < LEAST_SAMPLES:
        raise InputError(f"time of replica {replica}: expected at least {LEAST_SAMPLES} samples; found {len(time)}")
    step = np.diff(time)
    mean = (time[-1] - time[0]) / len(step)
    if time[0] != 0 or not mean > 0 or np.abs(step - mean).max() > UNIFORM * mean:
        worst = int(np.abs(step - mean).argmax())
        raise InputError(
            f"time of replica {replica}: expected equal steps from 0 s; found {time[0]:g} s at the start, "
            f"a step of {step[worst]:g} s at sample {worst} and {mean:g} s on average"
        )
    return time


def _checked_lag(value: ArrayLike, replica: int) -> NDArray[np.float64]:
    lag = _checked(value, f"lag of replica {replica}", (None,))
    if not len(lag) or not lag[0] > 0 or not (np.diff(lag) > 0).all():
        raise InputError(f"lag of replica {replica}: expected positive ascending lags; found {len(lag)} that are not")
    return lag


def _of_present(record: TaskRecord, msd: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean squares at positive lags, zero for species without ions and where nothing can move."""
    kept = np.array(msd[record.lag > 0])
    kept[:, record.species_count == 0] = 0.0
    return np.zeros_like(kept) if record.blocked else kept


def _replicas(positions: Any, n_ions: int) -> list[NDArray[np.float64]]:
    """Positions as a list of (n_frames, n_ions, 3), checked."""
    try:
        many = isinstance(positions, (list, tuple)) or np.ndim(positions) == 4
        replicas = [np.asarray(p, np.float64) for p in (positions if many else [positions])]
        if many and replicas and all(p.ndim == 2 for p in replicas):  # nested lists of one trajectory
            replicas = [np.array(replicas)]
    except (ValueError, TypeError):
        raise InputError(
            f"positions: expected numbers of shape (n_frames, {n_ions}, 3) or one more axis; "
            f"found {shorten(repr(positions), 60)}"
        ) from None
    if not replicas:
        raise InputError("positions: expected at least one replica; found none")
    if not n_ions:
        raise InputError("species: expected the name of every ion; found none")
    for k, path in enumerate(replicas):
        if path.ndim != 3 or path.shape[1:] != (n_ions, 3):
            raise InputError(
                f"positions of replica {k}: expected shape (n_frames, {n_ions}, 3) for {n_ions} species names; "
                f"found {path.shape}"
            )
        if len(path) < LEAST_SAMPLES:
            raise InputError(f"positions of replica {k}: expected at least {LEAST_SAMPLES} frames; found {len(path)}")
        if not np.isfinite(path).all():
            frame, ion, _ = np.argwhere(~np.isfinite(path))[0]
            raise InputError(
                f"positions of replica {k}: expected finite numbers; found {path[frame, ion].tolist()} "
                f"at frame {frame}, ion {ion}"
            )
    return replicas


def _still_replicas(replicas: Sequence[NDArray[np.float64]], label: str) -> tuple[str, ...]:
    """Say in how many of several replicas nothing moved; that of all is what estimators say."""
    still = sum(not np.ptp(path, axis=0).any() for path in replicas)
    said = f"{label}: no ion moved in {still} of {len(replicas)} replicas".removeprefix(": ")
    return (said,) if 0 < still < len(replicas) else ()


def _refuse_wrapped(path: NDArray[np.float64], replica: int, *, least: float) -> None:
    """Refuse positions that keep to a box wider than `least` and jump by most of its width: they are wrapped."""
    low, high = path.min(axis=(0, 1)), path.max(axis=(0, 1))
    for axis, width in enumerate(high - low):
        if not width > least:
            continue
        jump = np.abs(np.diff(path[:, :, axis], axis=0))
        far = jump > 0.6 * width
        if far.any() and (far | (jump < 0.4 * width)).all():
            frame, ion = np.argwhere(far)[0]
            raise InputError(
                f"positions of replica {replica}: expected unwrapped positions; found ion {ion} crossing the box "
                f"along {'xyz'[axis]} at frame {frame + 1}, as wrapped ones do: unwrap them first"
            )


def _charges(
    charges: Mapping[str, float] | Sequence[float], species: Sequence[str], names: tuple[str, ...]
) -> NDArray[np.float64]:
    """Charge of every species."""
    if isinstance(charges, Mapping):
        missing = [name for name in names if name not in charges]
        if missing:
            raise InputError(f"charges: expected one for every species; found none for {', '.join(missing)}")
        return np.array([float(charges[name]) for name in names])
    if len(charges) != len(species):
        raise InputError(f"charges: expected one for each of {len(species)} ions; found {len(charges)}")
    found: dict[str, float] = {}
    for name, q in zip(species, charges, strict=True):
        if found.setdefault(name, float(q)) != float(q):
            raise InputError(f"charges: expected one for all {name}; found {found[name]:g} and {float(q):g}")
    return np.array([found[name] for name in names])
