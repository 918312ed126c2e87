"""Transport coefficients at one composition and temperature, from its replicas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.displacements import LEAST_SAMPLES, Displacements
from analysis.statistics import Interval, NotConverged
from analysis.transport import NO_MOBILE_ION, NO_PATH, standing, transport
from kmc.trajectory import TaskRecord
from lattice.network import PoreNetwork


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
    axes_chi2 : tuple of 3 Interval, S/cm
        The same with intervals that leave out what slow relaxations may hide, which is common to all three.
    dof : float
        Degrees of freedom of sigma.
    row : dict
        Column name with unit to number.
    statements : tuple of str
    not_converged : tuple of NotConverged
        What the data cannot carry, with the estimate and what to add.
    """

    composition: float
    temperature: float
    sigma: Interval
    sigma_replica: tuple[float, ...]
    sigma_axes: tuple[Interval, ...]
    axes_chi2: tuple[Interval, ...]
    dof: float
    row: dict[str, Any]
    statements: tuple[str, ...]
    not_converged: tuple[NotConverged, ...] = ()


def transport_at(records: Sequence[TaskRecord], network: PoreNetwork | None = None) -> Point:
    """Transport coefficients of the replicas of one composition and temperature, and how they were sampled.

    They are zero where the network leads no mobile ion across the crystal, however much the ions move in their pockets.
    A replica that is blocked counts as zero displacement: by detailed balance no run can enter such a state, but it is
    one of the equilibrium states that the replicas start from, and the conductivity is the mean over these.
    """
    first, shut_in = records[0], _is_shut_in(records[0], network)
    if not shut_in and any(len(r.time) >= LEAST_SAMPLES and r.time[-1] > 0 and (r.lag > 0).any() for r in records):
        found = transport(Displacements.from_records(records))
    else:
        label = f"{first.composition_name} = {first.composition:g}, {first.temperature:g} K"
        still = "blocked: no hop is open" if (first.species_count > 0)[first.species_mobile].any() else NO_MOBILE_ION
        still = NO_PATH if shut_in else still
        found = standing(first.species_names, len(records), still, label=label)
    total, n_blocked = found.slope, sum(bool(r.blocked) for r in records)
    row: dict[str, Any] = {first.composition_name: first.composition, "T (K)": first.temperature}
    row |= {f"n({name})": int(n) for name, n in zip(first.species_names, first.species_count, strict=True)}
    row |= found.columns
    row |= {
        "replicas": len(records),
        "blocked replicas": n_blocked,
        "blocks": total.blocks,
        "dof": total.dof,
        "block (s)": total.long,
        "run (s)": float(np.mean([r.time[-1] for r in records])),
        "events": int(sum(int(r.events[-1]) for r in records)),
        "back-hop share": _back_hop_share(records),
        "converged": bool(total.converged) and not n_blocked,
    }
    return Point(
        composition=first.composition,
        temperature=first.temperature,
        sigma=found.value,
        sigma_replica=found.replica,
        sigma_axes=found.axes,
        axes_chi2=found.axes_chi2,
        dof=total.dof,
        row=row,
        statements=found.statements,
        not_converged=found.not_converged,
    )


def _is_shut_in(record: TaskRecord, network: PoreNetwork | None) -> bool:
    """Whether there are mobile ions and none of them can cross the crystal in any direction."""
    if network is None:
        return False
    crosses = {
        ion.name: bool(np.isfinite(at).any()) for ion, at in zip(network.species, network.percolation, strict=True)
    }
    moving = record.species_mobile & (record.species_count > 0)
    names = [name for name, there in zip(record.species_names, moving, strict=True) if there]
    return bool(names) and not any(crosses.get(name, True) for name in names)


def _back_hop_share(records: Sequence[TaskRecord]) -> float:
    """Share of the events that immediately undo the ion's last hop."""
    events = sum(int(r.hop_orbit_events.sum()) for r in records)
    return sum(int(r.hop_orbit_returns.sum()) for r in records) / events if events else 0.0
