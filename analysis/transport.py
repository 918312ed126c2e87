"""All transport coefficients of one composition and temperature: sigma, D*, D_J, Haven ratio, transference numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.conductivity import LONGER, CollectiveSlope, collective_lags, collective_slope, widened
from analysis.diffusion import tracer_of
from analysis.displacements import Displacements
from analysis.onsager import pair_slopes
from analysis.statistics import Interval, NotConverged, ratio_interval, t_interval
from analysis.transference import transference_of
from structures.units import CM2_PER_A2, conductivity_S_per_cm

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

HAVEN_CONVENTION = "H_R = sigma_NE / sigma with sigma_NE = Σ n q² D* / V kT; for one kind of ion D*/D_J"
NAN = float("nan")
ZERO = Interval(0.0, NAN, NAN)
NO_MOBILE_ION, NO_PATH = "no mobile ion", "blocked: no path crosses the crystal"
EXACTLY_STILL = (NO_MOBILE_ION, NO_PATH)  # why sigma is 0 however long the runs are
NONE = Interval(NAN, NAN, NAN)


@dataclass(frozen=True, eq=False, slots=True)
class Transport:
    """Transport coefficients with 95 % intervals.

    Attributes
    ----------
    species_names : tuple of str
    value : Interval, S/cm
        sigma, the mean over orientations.
    replica : (n_replicas,) tuple of float, S/cm
    axes : tuple of 3 Interval, S/cm
        Along the Cartesian axes; sigma is their mean.
    axes_chi2 : tuple of 3 Interval, S/cm
        The same with intervals that leave out what slow relaxations may hide, which is common to all three.
    by_species : tuple of Interval, S/cm
        sigma_ii; with twice the cross terms they add up to sigma.
    tracer_diffusivity : tuple of Interval, cm²/s
        D* of every species.
    charge_diffusivity : Interval, cm²/s
        D_J.
    nernst_einstein : Interval, S/cm
    haven_ratio : Interval
        See HAVEN_CONVENTION.
    slope : CollectiveSlope
        Of the charge displacement, e² Å²/s, with its blocks and degrees of freedom.
    columns : dict
        All numbers by name with unit: the columns of summary.csv.
    not_converged : tuple of NotConverged
        What the data cannot carry, with the estimate and what to add.
    statements : tuple of str
    """

    species_names: tuple[str, ...]
    value: Interval
    replica: tuple[float, ...]
    axes: tuple[Interval, ...]
    axes_chi2: tuple[Interval, ...]
    by_species: tuple[Interval, ...]
    tracer_diffusivity: tuple[Interval, ...]
    charge_diffusivity: Interval
    nernst_einstein: Interval
    haven_ratio: Interval
    slope: CollectiveSlope
    columns: dict[str, Any]
    not_converged: tuple[NotConverged, ...]
    statements: tuple[str, ...]

    @property
    def interval(self) -> Interval:
        """The same as `value`."""
        return self.value

    def to_frame(self) -> pd.DataFrame:
        """Return one row, units in the column names."""
        import pandas as pd

        return pd.DataFrame([self.columns])

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw sigma beside its parts and what Nernst and Einstein make of D*."""
        from analysis.transport_pictures import bars

        labels = ["σ", *(f"σ {name}" for name in self.species_names), "σ$_{NE}$"]
        numbers = (self.value, *self.by_species, self.nernst_einstein)
        return bars(labels, np.array([[n.value, n.lo, n.hi] for n in numbers]), "σ  (S / cm)", ax)


def transport(data: Displacements) -> Transport:
    """Conductivity, diffusivities, Haven ratio and transference numbers of the replicas of one state.

    Species without a mobile ion get zero; the lags of the total charge displacement serve every species, so that the
    parts add up to the total: sigma = Σ_i sigma_ii + 2 Σ_{i<j} sigma_ij, and so do the axes: sigma is a third of their
    sum.

    Parameters
    ----------
    data : Displacements
    """
    if not data.moves.any():
        return standing(data.species_names, data.n_replicas, "no mobile ion", label=data.label)
    if all(data.blocked):
        return standing(data.species_names, data.n_replicas, "blocked: no hop is open", label=data.label)
    if not any(moved.any() for moved in (*data.collective, *data.msd)):
        return unmoved(data)
    names, moves, said = data.species_names, data.moves, list(data.statements)
    here = f"{data.label}: " if data.label else ""
    unit = conductivity_S_per_cm(1.0, data.volume, data.temperature)
    step, paths = data.on_common_grid()
    paths = [path * data.charge[:, None] for path in paths]
    charge = [path.sum(axis=1) for path in paths]
    lags = collective_lags(charge)
    total = collective_slope(charge, step, lags=lags)
    sigma = total.slope.scaled(unit)
    along = tuple(
        collective_slope([p * axis for p in charge], step, lags=lags, relaxations=False).slope.scaled(3 * unit)
        for axis in np.eye(3)
    )
    parts = tuple(
        collective_slope([path[:, i] for path in paths], step, lags=lags).slope.scaled(unit) if moves[i] else ZERO
        for i in range(len(names))
    )
    _, _, slopes = pair_slopes(data, lags)
    cross = {}
    for i, j in combinations(range(len(names)), 2):
        cross[names[i], names[j]] = ZERO
        if slopes is not None and moves[i] and moves[j]:
            cross[names[i], names[j]] = slopes.interval(lambda L, i=i, j=j: float(np.trace(L[i, :, j]) / 3))  # type: ignore[misc]

    tracers = [tracer_of(data, i) if moves[i] else None for i in range(len(names))]
    weight = data.count * data.charge**2
    einstein = sum((w * D.replica for w, D in zip(weight, tracers, strict=True) if D), np.zeros(data.n_replicas))
    settled = [D is None or D.converged for D in tracers]
    haven = NONE if total.blocks == 0 else ratio_interval(einstein, total.replica)
    shares = transference_of(data, slopes)
    D_star = tuple(ZERO if D is None else D.value.scaled(CM2_PER_A2) for D in tracers)
    charges = float(weight[moves].sum())
    D_J = total.slope.scaled(CM2_PER_A2 / charges if charges else 0.0)
    student = t_interval(einstein).scaled(unit)
    nernst_einstein = Interval(student.value, float(np.maximum(student.lo, min(student.value, 0.0))), student.hi)
    columns: dict[str, Any] = {}
    for name, part in zip(names, parts, strict=True):
        columns |= with_ends(f"sigma({name})", "S/cm", part)
    for pair, term in cross.items():
        columns |= with_ends(f"sigma({','.join(pair)})", "S/cm", term)
    for name, D, fine in zip(names, D_star, settled, strict=True):
        columns |= with_ends(f"D*({name})", "cm2/s", D) | {f"D*({name}) converged": fine}
    columns |= with_ends("D_J", "cm2/s", D_J) | with_ends("sigma_NE", "S/cm", nernst_einstein)
    columns |= {"sigma_NE converged": all(settled)} | with_ends("H_R", "", haven)
    columns |= {"H_R converged": all(settled) and total.converged and not any(data.blocked)}
    for name, own, steady in zip(names, shares.electrical, shares.steady_state, strict=True):
        columns |= with_ends(f"t({name})", "", own) | with_ends(f"t steady({name})", "", steady)
    axes = tuple(widened(axis, total) for axis in along)
    lacks = [
        NotConverged(f"D*({name}) (cm2/s)", D, "slope still falls at the longest lag", longer=LONGER)
        for name, D, fine in zip(names, D_star, settled, strict=True)
        if not fine
    ]
    if total.statement and sigma.value > 0:
        more, longer = total.more_replicas, total.longer
        lacks.append(NotConverged("sigma (S/cm)", sigma, total.statement, replicas=more, longer=longer))
    said += [f"{here}{lack.quantity.split()[0]} not converged: {lack.reason}; add {lack.to_add}" for lack in lacks]
    if total.statement and not sigma.value > 0:
        said.append(f"{here}sigma = 0: {total.statement if charges else 'what moves carries no charge'}")
    if slopes is not None:
        said += [line for line in shares.statements if line not in said]
    return Transport(
        species_names=names,
        value=sigma,
        replica=tuple(float(v) * unit for v in total.replica),
        axes=axes,
        axes_chi2=along,
        by_species=parts,
        tracer_diffusivity=D_star,
        charge_diffusivity=D_J,
        nernst_einstein=nernst_einstein,
        haven_ratio=haven,
        slope=total,
        columns=_in_front(sigma, axes) | columns,
        not_converged=tuple(lacks),
        statements=tuple(said),
    )


def unmoved(data: Displacements) -> Transport:
    """Coefficients where ions may move and none did: zero as far as the data go."""
    lack = NotConverged("sigma (S/cm)", ZERO, "no ion moved", longer=LONGER)
    found = standing(data.species_names, data.n_replicas, lack.reason, label=data.label)
    said = (*data.statements, f"{found.statements[0]}; add {lack.to_add}")
    return replace(found, not_converged=(lack,), statements=said)


def standing(names: tuple[str, ...], n_replicas: int, why: str, *, label: str = "") -> Transport:
    """Coefficients where nothing can move: zero, without intervals."""
    fine, zeros = why in EXACTLY_STILL, (ZERO,) * len(names)
    total = CollectiveSlope(ZERO, np.zeros(n_replicas), 0, 0.0, NAN, NAN, converged=fine, statement=why, chi2=ZERO)
    columns: dict[str, Any] = {}
    for name in names:
        columns |= with_ends(f"sigma({name})", "S/cm", ZERO)
    for pair in combinations(names, 2):
        columns |= with_ends(f"sigma({','.join(pair)})", "S/cm", ZERO)
    for name in names:
        columns |= with_ends(f"D*({name})", "cm2/s", ZERO) | {f"D*({name}) converged": fine}
    columns |= with_ends("D_J", "cm2/s", ZERO) | with_ends("sigma_NE", "S/cm", ZERO) | {"sigma_NE converged": fine}
    columns |= with_ends("H_R", "", NONE) | {"H_R converged": fine}
    for name in names:
        columns |= with_ends(f"t({name})", "", NONE) | with_ends(f"t steady({name})", "", NONE)
    return Transport(
        species_names=names,
        value=ZERO,
        replica=(0.0,) * n_replicas,
        axes=(ZERO,) * 3,
        axes_chi2=(ZERO,) * 3,
        by_species=zeros,
        tracer_diffusivity=zeros,
        charge_diffusivity=ZERO,
        nernst_einstein=ZERO,
        haven_ratio=NONE,
        slope=total,
        columns=_in_front(ZERO, (ZERO,) * 3) | columns,
        not_converged=(),
        statements=(f"{label}: sigma = 0: {why}".removeprefix(": "),),
    )


def with_ends(name: str, unit: str, value: Interval) -> dict[str, float]:
    """Columns of a number and the ends of its interval."""
    columns = (f"{text} ({unit})" if unit else text for text in (name, f"{name} lo", f"{name} hi"))
    return dict(zip(columns, (value.value, value.lo, value.hi), strict=True))


def _in_front(sigma: Interval, axes: tuple[Interval, ...]) -> dict[str, Any]:
    """Columns of sigma and its components."""
    columns: dict[str, Any] = dict(with_ends("sigma", "S/cm", sigma))
    for axis, along in zip(("xx", "yy", "zz"), axes, strict=True):
        columns |= with_ends(f"sigma_{axis}", "S/cm", along)
    return columns
