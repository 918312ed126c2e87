"""Conductivity and mobilities from the drift in a uniform field, and whether the response is linear.

The current along the field of strength E is J = Σ q_i v_i, sigma(E) = J / (V E), and the mobility of a species is
v_i / E. At low fields sigma(E) is that of Einstein and Helfand without a field, <(ΔP·n)²> / (2 V kT t); an odd response
deviates from it by a term in E². The drift is that after the first fifth of a run, while the field polarises the ions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analysis.displacements import Displacements
from analysis.onsager import pair_slopes
from analysis.statistics import Interval, t_interval
from structures.errors import InputError
from structures.units import CM2_PER_A2, ELEMENTARY_CHARGE

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

POLARISING = 0.2  # share of a run
UNSTEADY = 0.002  # probability below which two halves differ
BENT = 0.01  # probability below which strengths differ
PER_ANGSTROM_IN_CM = 1e8


@dataclass(frozen=True, eq=False, slots=True)
class DriftMobility:
    """Response to fields of several strengths along one axis, at one composition and temperature.

    Attributes
    ----------
    species_names : tuple of str
    direction : (3,) float64
        Unit vector of the field.
    strength : (n_fields,) float64, V/Å
        Ascending; 0 for runs without a field.
    sigma : tuple of Interval, S/cm
        Along the field, one for each strength; that of 0 from the displacements of equilibrium.
    mobility : tuple of tuples of Interval, cm²/(V s)
        By strength and species, along the field: negative for negative ions. nan for species without ions.
    linear : bool
        Whether sigma is the same at all strengths within its scatter; False also if there is only one.
    chance : float
        Probability of a larger difference if it is (Alexander and Govern, J. Educ. Stat. 19, 91 (1994)).
    statements : tuple of str
    """

    species_names: tuple[str, ...]
    direction: NDArray[np.float64]
    strength: NDArray[np.float64]
    sigma: tuple[Interval, ...]
    mobility: tuple[tuple[Interval, ...], ...]
    linear: bool
    chance: float
    statements: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return one row per field strength."""
        import pandas as pd

        rows = []
        for E, sigma, mobilities in zip(self.strength, self.sigma, self.mobility, strict=True):
            row = {"E (V/cm)": E * PER_ANGSTROM_IN_CM}
            row |= {"sigma (S/cm)": sigma.value, "sigma lo (S/cm)": sigma.lo, "sigma hi (S/cm)": sigma.hi}
            for name, u in zip(self.species_names, mobilities, strict=True):
                ends = {f"u({name}) lo (cm2/V s)": u.lo, f"u({name}) hi (cm2/V s)": u.hi}
                row |= {f"u({name}) (cm2/V s)": u.value} | ends
            rows.append(row)
        return pd.DataFrame(rows)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw sigma against the field strength."""
        from analysis.transport_pictures import bars

        labels = [f"{E * PER_ANGSTROM_IN_CM:.2g}" for E in self.strength]
        ax = bars(labels, np.array([[s.value, s.lo, s.hi] for s in self.sigma]), "σ(E)  (S / cm)", ax)
        ax.set_xlabel("E  (V / cm)")
        return ax


def drift_mobility(data: Sequence[Displacements]) -> DriftMobility:
    """Conductivity along a field and mobilities at every strength, with Student's interval over replicas.

    Parameters
    ----------
    data : sequence of Displacements
        One for each field, all along one axis, of one composition and temperature; one without a field adds
        Einstein and Helfand's value to the test of linearity.

    Raises
    ------
    InputError
        If there is no field, or fields are not along one axis, or the runs are not of one system.
    """
    fields = [one for one in data if one.field.any()]
    if not fields:
        raise InputError("drift mobility: expected runs in a field; found none")
    direction = fields[0].field / np.linalg.norm(fields[0].field)
    for one in data:
        if not np.allclose(np.cross(one.field, direction), 0, atol=1e-9 * (1 + np.abs(one.field).max())):
            raise InputError(
                f"drift mobility: expected fields along one axis; found {data[0].field.tolist()} and "
                f"{one.field.tolist()} V/Å"
            )
        for name in ("species_names", "volume", "temperature"):
            if getattr(one, name) != getattr(fields[0], name):
                raise InputError(
                    f"drift mobility: expected runs of one {name}; found {getattr(fields[0], name)} and "
                    f"{getattr(one, name)}"
                )
        if not np.array_equal(one.count, fields[0].count):
            raise InputError(
                f"drift mobility: expected one number of ions; found {fields[0].count.tolist()} and "
                f"{one.count.tolist()}"
            )
    measured = [(abs(float(one.field @ direction)), *_response(one, direction)) for one in data]
    measured.sort(key=lambda entry: entry[0])
    said = [line for entry in measured for line in entry[3]]
    groups = [sigma for _, sigma, _, _ in measured if len(sigma) > 1]
    linear, chance = False, float("nan")
    if len(groups) > 1:
        chance = float(stats.alexandergovern(*groups).pvalue)
        linear = bool(chance >= BENT)
        if not linear:
            said.append(
                f"response not linear: sigma differs between the strengths (chance {chance:.2g}); use weaker fields"
            )
    else:
        said.append("linearity not checked: add a second field strength, or runs without a field, of several replicas")
    return DriftMobility(
        fields[0].species_names,
        direction,
        np.array([E for E, *_ in measured]),
        tuple(t_interval(sigma) for _, sigma, _, _ in measured),
        tuple(tuple(t_interval(one) for one in u.T) for _, _, u, _ in measured),
        linear,
        chance,
        tuple(said),
    )


def _response(
    data: Displacements, direction: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str]]:
    """Conductivity (n_replicas,) S/cm and mobilities (n_replicas, n_species) cm²/(V s) of replicas, and remarks."""
    E = float(data.field @ direction)
    if E == 0:
        return _without_field(data, direction)
    begin, middle, end = ([round(share * (len(t) - 1)) for t in data.time] for share in (POLARISING, 0.6, 1.0))
    velocity = _drift(data, direction, begin, end)
    current = velocity @ data.charge
    early, late = (_drift(data, direction, *part) @ data.charge for part in ((begin, middle), (middle, end)))
    said = list(data.statements)
    if data.n_replicas > 2 and np.ptp(early - late) > 0 and stats.ttest_rel(early, late).pvalue < UNSTEADY:
        said.append(f"E = {E * PER_ANGSTROM_IN_CM:.3g} V/cm: the current is not steady: run longer")
    per_ion = np.full(velocity.shape, np.nan)
    np.divide(velocity, data.count, out=per_ion, where=data.count > 0)
    return (
        current / (data.volume * E) * ELEMENTARY_CHARGE * PER_ANGSTROM_IN_CM,
        per_ion / E * CM2_PER_A2,
        said,
    )


def _drift(
    data: Displacements, direction: NDArray[np.float64], begin: Sequence[int], end: Sequence[int]
) -> NDArray[np.float64]:
    """Velocity of the sum over each species along the field, (n_replicas, n_species), Å/s."""
    return np.array(
        [
            (path[j] - path[i]) @ direction / (t[j] - t[i])
            for path, t, i, j in zip(data.collective, data.time, begin, end, strict=True)
        ]
    )


def _without_field(
    data: Displacements, direction: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str]]:
    """Einstein and Helfand's conductivity and mobilities u_i = Σ_j sigma_ij V / (n_i q_i) of every replica."""
    n = len(data.species_names)
    _, _, slopes = pair_slopes(data)
    if slopes is None:
        return np.zeros(data.n_replicas), np.zeros((data.n_replicas, n)), list(data.statements)
    along = np.einsum("riajb,a,b->rij", slopes.piece, direction, direction)
    weight = np.bincount(slopes.replica, weights=slopes.weight)
    parts = np.zeros((len(weight), n, n))
    np.add.at(parts, slopes.replica, along * slopes.weight[:, None, None])
    parts /= weight[:, None, None]
    carried = data.count * data.charge * ELEMENTARY_CHARGE / (data.volume / PER_ANGSTROM_IN_CM**3)  # C/cm³
    mobility = np.full((len(weight), n), np.nan)
    np.divide(parts.sum(axis=2), carried, out=mobility, where=carried != 0)
    return parts.sum(axis=(1, 2)), mobility, list(data.statements)
