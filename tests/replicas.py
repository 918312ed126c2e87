"""Independent simulations of one small system, and the judgement of their mean against an exact value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from exact import Diffusivities
from lattices import TEMPERATURE
from scipy import stats

from kmc.placement import place_ions
from kmc.simulation import Simulation
from lattice.supercell import Lattice


@dataclass(frozen=True)
class Replicas:
    """What every replica measured in time blocks of one length.

    collective : (R, S, S, 3), Å²/s
        <ΔR_i ΔR_j> / 2t of the summed displacements of species i and j, per axis.
    tracer : (R, L, S, 3), Å²/s
        <Δr²> / 2t of one ion at the lags, per axis.
    lag : (L,), s; lag[0] is the block length
    velocity : (R, S, 3), Å/s
        Of the sum over a species.
    energy : (R,), kT
    event_rate : (R,), 1/s
        Hops of all ions.
    """

    collective: np.ndarray
    tracer: np.ndarray
    lag: np.ndarray
    velocity: np.ndarray
    energy: np.ndarray
    event_rate: np.ndarray


def run_replicas(
    lattice: Lattice,
    counts: Mapping[str, int],
    *,
    block: float,
    n_blocks: int,
    seed: int,
    n_replicas: int = 16,
    nu: float = 1.0,
    field: float = 0.0,
    temperature: float = TEMPERATURE,
    superbasins: bool = False,
) -> Replicas:
    """Run replicas from equilibrium; `field` is along x, V/Å."""
    collective, tracer, velocity, energy, event_rate, lag = [], [], [], [], [], np.zeros(0)
    for stream in np.random.SeedSequence(seed).spawn(n_replicas):
        state = place_ions(lattice, counts, np.random.default_rng(stream), temperature=temperature)
        simulation = Simulation(
            lattice,
            state,
            temperature=temperature,
            attempt_frequency=nu,
            field=(field, 0.0, 0.0),
            superbasins=superbasins,
        )
        simulation.equilibrate(200)
        samples = simulation.run(block * n_blocks, n_blocks)
        step = np.diff(samples.displacement, axis=0)
        collective.append(np.einsum("tia,tja->ija", step, step) / n_blocks / (2 * block))
        tracer.append(samples.msd / (2 * samples.lag[:, None, None]))
        velocity.append(samples.displacement[-1] / (block * n_blocks))
        energy.append(samples.energy.mean())
        event_rate.append(samples.events[-1] / (block * n_blocks))
        lag = samples.lag
    return Replicas(
        *(np.array(x) for x in (collective, tracer)), lag, *(np.array(x) for x in (velocity, energy, event_rate))
    )


def z_score(values: np.ndarray, exact: float) -> float:
    """(mean - exact) / SE over replicas, as the normal deviate of the same probability as Student's t."""
    values = np.asarray(values)
    t = (values.mean() - exact) / (values.std(ddof=1) / np.sqrt(len(values)))
    tail = stats.t.sf(abs(t), len(values) - 1)
    return float(np.sign(t) * stats.norm.isf(tail))


def diffusivity_scores(found: Replicas, exact: Diffusivities, n_ions: int, dimensions: int) -> tuple[float, float]:
    """z of D_J and of D* of species 0 at the block length, against D + C/t."""
    collective = found.collective[:, 0, 0, :dimensions].mean(axis=1) / n_ions
    tracer = found.tracer[:, 0, 0, :dimensions].mean(axis=1)
    t = found.lag[0]
    return (
        z_score(collective, exact.collective + exact.collective_transient / t),
        z_score(tracer, exact.tracer + exact.tracer_transient / t),
    )


def assert_ladder(scores: list[float]) -> None:
    """Every |z| < 4, and Σz² neither larger nor smaller than a χ² variable is in 999 of 1000 cases."""
    scores = np.array(scores)
    assert np.abs(scores).max() < 4, scores.round(2)
    chi2 = float((scores**2).sum())
    low, high = stats.chi2.interval(0.999, len(scores))
    assert low < chi2 < high, scores.round(2)
