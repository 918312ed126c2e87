"""Transport coefficients at one composition and temperature, from its replicas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.conductivity import CollectiveSlope, collective_lags, collective_slope, two_lag_rise
from analysis.diffusion import Diffusivity, tracer_diffusivity
from analysis.displacements import common_grid
from analysis.lags import Lags
from analysis.statistics import Interval, ratio_interval
from kmc.trajectory import TaskRecord
from structures.units import CM2_PER_A2, conductivity_S_per_cm

NAN = float("nan")


@dataclass(frozen=True, eq=False, slots=True)
class Point:
    """One row of the conductivity table with what the other tables need from it.

    Attributes
    ----------
    composition : float
    temperature : float, K
    sigma : Interval, S/cm
    sigma_replica : (n_replicas,) tuple of float, S/cm
    sigma_axes : tuple of 3 Interval, S/cm
        Along the Cartesian axes; sigma is their mean.
    dof : float
        Degrees of freedom of sigma.
    row : dict
        Column name with unit to number.
    statements : tuple of str
    """

    composition: float
    temperature: float
    sigma: Interval
    sigma_replica: tuple[float, ...]
    sigma_axes: tuple[Interval, ...]
    dof: float
    row: dict[str, Any]
    statements: tuple[str, ...]


def transport_at(records: Sequence[TaskRecord]) -> Point:
    """Conductivity, diffusivities and Haven ratio of the replicas of one composition and temperature.

    Species without a mobile ion get zero; the lags of the total charge displacement serve every species, so that the
    parts add up to the total: sigma = Σ_i sigma_ii + 2 Σ_{i<j} sigma_ij, and so do the axes: sigma is a third of their
    sum. A replica that is blocked counts as zero displacement: by detailed balance no run can enter such a state, but
    it is one of the equilibrium states that the replicas start from, and the conductivity is the mean over these.
    """
    first = records[0]
    temperature, names = first.temperature, first.species_names
    here = f"{first.composition_name} = {first.composition:g}, {temperature:g} K"
    mobile = (first.species_count > 0) & first.species_mobile
    per_K = conductivity_S_per_cm(1.0, first.volume, temperature)
    row: dict[str, Any] = {first.composition_name: first.composition, "T (K)": temperature}
    row |= {f"n({name})": int(n) for name, n in zip(names, first.species_count, strict=True)}

    blocked = sum(bool(record.blocked) for record in records)
    usable = [record for record in records if len(record.time) > 2 and record.time[-1] > 0 and not record.blocked]
    if not mobile.any() or not usable:
        why = "blocked: no hop is open" if mobile.any() else "no mobile ion"
        zero, replica = Interval(0.0, NAN, NAN), np.zeros(len(records))
        total = CollectiveSlope(zero, replica, 0, 0.0, NAN, NAN, converged=not mobile.any(), statement=why)
        return _finished(row, records, total, (zero,) * 3, 0.0, names, [], here)

    said = []
    if blocked:
        said.append(f"{here}: {blocked} of {len(records)} replicas blocked, counted as zero: not ergodic")
    short_runs = len(records) - len(usable) - blocked
    if short_runs:
        said.append(f"{here}: {short_runs} replicas without samples left out")
    step, paths = common_grid([r.time for r in usable], [r.displacement * r.species_charge[:, None] for r in usable])
    paths += [np.zeros_like(max(paths, key=len))] * blocked
    charge = [path.sum(axis=1) for path in paths]
    lags = collective_lags(charge)
    total = collective_slope(charge, step, lags=lags)
    axes = tuple(
        collective_slope([path * np.eye(3)[k] for path in charge], step, lags=lags).slope.scaled(3 * per_K)
        for k in range(3)
    )
    parts = [collective_slope([path[:, i] for path in paths], step, lags=lags) for i in range(len(names))]
    extra: dict[str, Any] = {}
    for i, name in enumerate(names):
        part = parts[i].slope.scaled(per_K) if mobile[i] else Interval(0.0, NAN, NAN)
        extra |= _with_ends(f"sigma({name})", "S/cm", part)
    for i in range(len(names)):
        for j in range(i + 1, len(names)):
            cross = _cross_slope([p[:, i] for p in paths], [p[:, j] for p in paths], lags, step)
            extra[f"sigma({names[i]},{names[j]}) (S/cm)"] = cross * per_K

    einstein, tracers_converged = np.zeros(len(paths)), True
    for i, name in enumerate(names):
        value, converged = Interval(0.0, NAN, NAN), True
        if mobile[i]:
            D = _tracer(usable, i, blocked)
            value, converged = D.value.scaled(CM2_PER_A2), D.converged
            einstein += D.replica * first.species_count[i] * first.species_charge[i] ** 2
            if not converged:
                said.append(f"{here}: D*({name}) not converged: slope still falls at the longest lag")
        extra |= _with_ends(f"D*({name})", "cm2/s", value) | {f"D*({name}) converged": converged}
        tracers_converged &= converged
    charges = float((first.species_count * first.species_charge**2)[mobile].sum())
    extra |= _with_ends("D_J", "cm2/s", total.slope.scaled(CM2_PER_A2 / charges))
    extra |= _with_ends("sigma_NE", "S/cm", Interval(float(einstein.mean()) * per_K, NAN, NAN), ends=False)
    haven = Interval(NAN, NAN, NAN) if total.blocks == 0 else ratio_interval(einstein, total.replica)
    extra |= {"sigma_NE converged": tracers_converged, "H_R": haven.value, "H_R lo": haven.lo, "H_R hi": haven.hi}
    extra |= {"H_R converged": tracers_converged and total.converged and not blocked}
    return _finished(row | extra, records, total, axes, per_K, names, said, here)


def _tracer(usable: Sequence[TaskRecord], species: int, blocked: int) -> Diffusivity:
    """Tracer diffusivity over the replicas that moved and those that could not."""
    first = usable[0]
    still = np.zeros((len(first.lag), 3))
    return tracer_diffusivity(
        [r.lag for r in usable] + [first.lag] * blocked,
        [r.msd[:, species] for r in usable] + [still] * blocked,
        [float(r.time[-1]) for r in usable] + [float(first.time[-1])] * blocked,
    )


def _finished(
    row: dict[str, Any],
    records: Sequence[TaskRecord],
    total: CollectiveSlope,
    axes: tuple[Interval, ...],
    per_K: float,
    names: Sequence[str],
    said: list[str],
    here: str,
) -> Point:
    """Put sigma in front and the book-keeping behind, and fill what has no number."""
    sigma = total.slope.scaled(per_K) if per_K else total.slope
    if total.statement:
        said.append(f"{here}: sigma {'= 0' if sigma.value == 0 else 'not converged'}: {total.statement}")
    counts = {k: v for k, v in row.items() if k in (records[0].composition_name, "T (K)") or k.startswith("n(")}
    rest = {k: v for k, v in row.items() if k not in counts}
    if not rest:
        zero = Interval(0.0, NAN, NAN)
        for name in names:
            rest |= _with_ends(f"sigma({name})", "S/cm", zero)
        rest |= {f"sigma({a},{b}) (S/cm)": 0.0 for k, a in enumerate(names) for b in names[k + 1 :]}
        for name in names:
            rest |= _with_ends(f"D*({name})", "cm2/s", zero) | {f"D*({name}) converged": total.converged}
        rest |= _with_ends("D_J", "cm2/s", zero) | {"sigma_NE (S/cm)": 0.0, "sigma_NE converged": total.converged}
        rest |= {"H_R": NAN, "H_R lo": NAN, "H_R hi": NAN, "H_R converged": total.converged}
    full = counts | _with_ends("sigma", "S/cm", sigma)
    for axis, along in zip(("xx", "yy", "zz"), axes, strict=True):
        full |= _with_ends(f"sigma_{axis}", "S/cm", along)
    full |= rest
    full |= {
        "replicas": len(records),
        "blocked replicas": sum(bool(r.blocked) for r in records),
        "blocks": total.blocks,
        "dof": total.dof,
        "block (s)": total.long,
        "run (s)": float(np.mean([r.time[-1] for r in records])),
        "events": int(sum(int(r.events[-1]) for r in records)),
        "back-hop share": _back_hop_share(records),
        "converged": bool(total.converged) and not any(r.blocked for r in records),
    }
    return Point(
        composition=records[0].composition,
        temperature=records[0].temperature,
        sigma=sigma,
        sigma_replica=tuple(float(v) * (per_K or 1.0) for v in total.replica),
        sigma_axes=axes,
        dof=total.dof,
        row=full,
        statements=tuple(said),
    )


def _with_ends(name: str, unit: str, value: Interval, *, ends: bool = True) -> dict[str, float]:
    row = {f"{name} ({unit})": value.value}
    return row | {f"{name} lo ({unit})": value.lo, f"{name} hi ({unit})": value.hi} if ends else row


def _cross_slope(a: Sequence[Any], b: Sequence[Any], lags: Lags, step: float) -> float:
    """Two-lag slope of <ΔP_a · ΔP_b> / 6, by polarisation over the same time origins as the total."""
    short = round(lags.short)
    long = short * lags.ratio
    squares = [two_lag_rise([p + sign * q for p, q in zip(a, b, strict=True)], short, long) for sign in (1, -1)]
    return (squares[0] - squares[1]) / (4 * 6 * (long - short) * step)


def _back_hop_share(records: Sequence[TaskRecord]) -> float:
    """Share of the events that immediately undo the ion's last hop."""
    events = sum(int(r.hop_orbit_events.sum()) for r in records)
    return sum(int(r.hop_orbit_returns.sum()) for r in records) / events if events else 0.0
