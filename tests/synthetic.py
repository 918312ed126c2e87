"""Task records whose transport coefficients are known: Gaussian walks with bounded to-and-fro motion on top."""

from __future__ import annotations

import numpy as np

from kmc.trajectory import TaskRecord
from structures.units import BOLTZMANN

VOLUME = 2.0e4  # Å³
LAGS = np.array([*range(1, 17), *range(18, 33, 2), *range(36, 65, 4), *range(72, 129, 8)])


def walk(
    rng: np.random.Generator, n_steps: int, diffusivity: tuple[float, float, float], *, jitter: float = 0.0
) -> np.ndarray:
    """Positions (n_steps + 1, 3): variance 2 D per step and component, and a two-state shift of ± sqrt(jitter)."""
    steps = rng.normal(size=(n_steps, 3)) * np.sqrt(2 * np.asarray(diffusivity))
    path = np.concatenate([np.zeros((1, 3)), np.cumsum(steps, axis=0)])
    shift = rng.choice([-1.0, 1.0], size=path.shape) * np.sqrt(jitter)
    return path + shift - shift[0]


def tracer_msd(paths: np.ndarray) -> np.ndarray:
    """Mean square displacements (n_lags, 3) of (n_ions, n_samples, 3) over ions and all time origins."""
    return np.array([((paths[:, lag:] - paths[:, :-lag]) ** 2).mean(axis=(0, 1)) for lag in LAGS])


def record(
    composition: float,
    temperature: float,
    replica: int,
    *,
    ions: dict[str, tuple[int, float]],
    n_steps: int = 600,
    step: float = 1e-9,
    jitter: float = 0.0,
    seed: int = 0,
) -> TaskRecord:
    """One replica; `ions` gives number and D* (Å² per step) of independent ions of charge +1 by species."""
    rng = np.random.default_rng([seed, round(1e4 * composition), round(10 * temperature), replica])
    displacement = np.zeros((n_steps + 1, len(ions), 3))
    msd = np.full((len(LAGS), len(ions), 3), np.nan)
    for k, (count, D) in enumerate(ions.values()):
        if count:
            paths = np.array([walk(rng, n_steps, (D, D, D), jitter=jitter) for _ in range(count)])
            displacement[:, k], msd[:, k] = paths.sum(axis=0), tracer_msd(paths)
    moved = any(count and D > 0 for count, D in ions.values())
    return TaskRecord(
        key=f"x{composition:g}_T{temperature:g}_r{replica}",
        seed=seed,
        temperature=temperature,
        volume=VOLUME,
        composition=composition,
        composition_name="x",
        replica=replica,
        attempt_frequency=1e12,
        rate_model="attempt_frequency",
        permittivity=10 * np.eye(3),
        network_hash="synthetic",
        deck="",
        blocked=not moved,
        species_names=tuple(ions),
        species_charge=np.ones(len(ions)),
        species_count=np.array([count for count, _ in ions.values()]),
        species_mobile=np.ones(len(ions), bool),
        time=step * np.arange(n_steps + 1),
        displacement=displacement,
        events=10 * np.arange(n_steps + 1),
        energy=np.zeros(n_steps + 1),
        lag=step * LAGS,
        msd=msd,
        origins=n_steps + 1 - LAGS,
        hop_orbit_events=np.array([100, 50]),
        hop_orbit_returns=np.array([90, 10]),
        drift=0.0,
    )


def arrhenius_diffusivity(temperature: float, E_a: float, at_300: float) -> float:
    """D* with activation energy `E_a` (eV), Å² per step."""
    return float(at_300 * np.exp(-E_a / BOLTZMANN * (1 / temperature - 1 / 300)))
