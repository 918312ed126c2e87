"""How much a run has seen: events, samples, relaxation of the energy, and checks that nothing drifts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from kmc.trajectory import TaskRecord

WINDOW = 6.0  # correlation times that the sum over the autocorrelation reaches
SUSPICIOUS = 4.0  # standard errors


def run_statistics(records: Sequence[TaskRecord]) -> pd.DataFrame:
    """One row for every loading and temperature.

    Parameters
    ----------
    records : sequence of TaskRecord

    Returns
    -------
    DataFrame
        Loading, T (K), replicas, samples of each, simulated time of each (s), events, share of them that superbasins
        have passed over, hops per ion, back-hop share,
        mean energy per ion (eV), its correlation time (s), the difference between its second and first half in standard
        errors, and the largest difference of a kept site energy from its recount (eV).
    """
    ordered = sorted(records, key=lambda r: (r.composition, r.temperature, r.replica))
    rows = []
    for (loading, T), group in groupby(ordered, key=lambda r: (r.composition, r.temperature)):
        replicas = list(group)
        ions = int((replicas[0].species_count * replicas[0].species_mobile).sum())
        events = sum(int(r.events[-1]) for r in replicas)
        hops, returns = (
            sum(int(getattr(r, name).sum()) for r in replicas) for name in ("hop_orbit_events", "hop_orbit_returns")
        )
        everyone = max(int(replicas[0].species_count.sum()), 1)
        rows.append(
            {
                replicas[0].composition_name: loading,
                "T (K)": T,
                "replicas": len(replicas),
                "samples": int(np.mean([len(r.time) for r in replicas])),
                "time (s)": float(np.mean([r.time[-1] for r in replicas])),
                "events": events,
                "passed-over share": sum(r.passed_over for r in replicas) / events if events else 0.0,
                "hops per ion": events / ions if ions else 0.0,
                "back-hop share": returns / hops if hops else 0.0,
                "energy per ion (eV)": float(np.mean([r.energy.mean() for r in replicas])) / everyone,
                "energy correlation time (s)": correlation_time(replicas),
                "energy drift (standard errors)": energy_drift(replicas),
                "largest recount difference (eV)": max(r.drift for r in replicas),
            }
        )
    return pd.DataFrame(rows)


def statistics_statements(table: pd.DataFrame) -> Iterator[str]:
    """Say where a run had not come to equilibrium or lost precision."""
    name = str(table.columns[0])
    drifting = table[table["energy drift (standard errors)"].abs() > SUSPICIOUS]
    if len(drifting):
        where = ", ".join(f"{name} = {row[name]:g} at {row['T (K)']:g} K" for _, row in drifting.head(4).iterrows())
        yield (
            f"the energy still drifts between the halves of the runs at {len(drifting)} of {len(table)} points "
            f"({where}{', ...' if len(drifting) > 4 else ''}): equilibrate longer"
        )
    worst = float(table["largest recount difference (eV)"].max())
    if worst > 1e-6:
        yield f"kept energies differ from their recount by up to {worst:.1e} eV"


def correlation_time(records: Sequence[TaskRecord]) -> float:
    """Integrated autocorrelation time of the energy, s, averaged over replicas; 0 where the energy is constant.

    The sum over the autocorrelation ends where it has gone over 6 times the estimate (Sokal's window, as in
    Goodman and Weare, Comm. App. Math. Comp. Sci. 5, 65 (2010)).
    """
    found = []
    for record in records:
        if len(record.energy) > 2 and np.ptp(record.energy) > 0:
            step = float(record.time[-1]) / (len(record.time) - 1)
            found.append(step * _integrated(np.asarray(record.energy)))
    return float(np.mean(found)) if found else 0.0


def energy_drift(records: Sequence[TaskRecord]) -> float:
    """Mean of the second half of the energies minus that of the first, in standard errors over replicas.

    As the normal deviate of the same probability as Student's t; nan for a single replica.
    """
    differences = []
    for record in records:
        half = len(record.energy) // 2
        if half:
            differences.append(float(record.energy[half:].mean() - record.energy[:half].mean()))
    n = len(differences)
    if n < 2:
        return float("nan")
    error = float(np.std(differences, ddof=1) / np.sqrt(n))
    if error == 0:
        return 0.0
    t = float(np.mean(differences)) / error
    return float(np.sign(t) * stats.norm.isf(stats.t.sf(abs(t), n - 1)))


def _integrated(values: NDArray[np.float64]) -> float:
    """Integrated autocorrelation time in samples, 1/2 for independent ones."""
    x = values - values.mean()
    n = len(x)
    spectrum = np.abs(np.fft.rfft(x, 2 * n)) ** 2
    correlation = np.fft.irfft(spectrum)[:n]
    tau = np.cumsum(correlation / correlation[0]) - 0.5
    enough = np.arange(n) >= WINDOW * tau
    return float(max(tau[int(np.argmax(enough)) if enough.any() else n - 1], 0.5))
