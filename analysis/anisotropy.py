"""Transport along the axes of the crystal and in Cartesian components: tensors of sigma, D_J and D*.

The conductivity along a direction n is n·sigma·n, what a field along n drives along n. D_J is the tensor of sigma over
Σ n q² / V kT, and D* that of one ion of a species.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analysis.conductivity import collective_lags, collective_slope, widened
from analysis.diffusion import tracer_of
from analysis.displacements import PAIRS, Displacements
from analysis.onsager import pair_slopes
from analysis.statistics import Interval, t_interval
from structures.units import CM2_PER_A2, conductivity_S_per_cm

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

CARTESIAN = ("xx", "yy", "zz", "yz", "xz", "xy")
CRYSTAL = ("a", "b", "c")
ALIGNED = 1e-6  # largest component across an axis that counts as none
NONE = Interval(float("nan"), float("nan"), float("nan"))
ZERO = Interval(0.0, float("nan"), float("nan"))

Components = tuple[Interval, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Anisotropy:
    """Transport tensors at one composition and temperature.

    Attributes
    ----------
    components : tuple of str
        xx, yy, zz, yz, xz, xy, and a, b, c where the cell is known: the order of all tensors.
    sigma : tuple of Interval, S/cm
    charge_diffusivity : tuple of Interval, cm²/s
        D_J.
    tracer_diffusivity : mapping of species to tuple of Interval, cm²/s
        D* of every species that moves; without a number where its cross terms are not recorded and needed.
    statements : tuple of str
    """

    components: tuple[str, ...]
    sigma: Components
    charge_diffusivity: Components
    tracer_diffusivity: dict[str, Components]
    statements: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return one row per component."""
        import pandas as pd

        table = pd.DataFrame({"component": list(self.components)})
        tracers = {f"D*({name})": ("cm2/s", D) for name, D in self.tracer_diffusivity.items()}
        all_of_them = {"sigma": ("S/cm", self.sigma), "D_J": ("cm2/s", self.charge_diffusivity), **tracers}
        for name, (unit, tensor) in all_of_them.items():
            table[f"{name} ({unit})"] = [component.value for component in tensor]
            table[f"{name} lo ({unit})"] = [component.lo for component in tensor]
            table[f"{name} hi ({unit})"] = [component.hi for component in tensor]
        return table

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the components of sigma with their intervals."""
        from analysis.transport_pictures import bars

        values = np.array([[component.value, component.lo, component.hi] for component in self.sigma])
        return bars(self.components, values, "σ  (S / cm)", ax)


def anisotropy(data: Displacements) -> Anisotropy:
    """Tensors of sigma, D_J and D*, in Cartesian components and along the axes of the crystal.

    Diagonal components have χ² intervals, off-diagonal ones Student's over pieces of the replicas, and D* Student's
    over replicas.

    Parameters
    ----------
    data : Displacements
    """
    directions = [] if data.cell is None else list(data.cell / np.linalg.norm(data.cell, axis=1, keepdims=True))
    components = CARTESIAN + (CRYSTAL if directions else ())
    sigma = _conductivity(data, directions)
    charges = float((data.count * data.charge**2)[data.moves].sum())
    unit = CM2_PER_A2 / (charges * conductivity_S_per_cm(1.0, data.volume, data.temperature)) if charges else 0.0
    tracers, said = {}, list(data.statements)
    for i in np.flatnonzero(data.moves):
        name = data.species_names[i]
        tracers[name] = _tracer(data, int(i), directions)
        if any(np.isnan(component.value) for component in tracers[name]):
            said.append(
                f"{data.label}: D*({name}): cross terms are not in the files; from frames they are".lstrip(": ")
            )
    return Anisotropy(components, sigma, tuple(s.scaled(unit) for s in sigma), tracers, tuple(said))


def _conductivity(data: Displacements, directions: list[NDArray[np.float64]]) -> Components:
    step, paths = data.on_common_grid()
    charge = [(path * data.charge[:, None]).sum(axis=1) for path in paths]
    lags = collective_lags(charge)
    total = collective_slope(charge, step, lags=lags)
    unit = 3 * conductivity_S_per_cm(1.0, data.volume, data.temperature)

    def along(direction: NDArray[np.float64]) -> Interval:
        projected = [np.outer(path @ direction, direction) for path in charge]
        slope = collective_slope(projected, step, lags=lags, relaxations=False).slope
        return widened(slope, total).scaled(unit)

    _, _, slopes = pair_slopes(data, lags)
    crossed = [
        ZERO if slopes is None else slopes.interval(lambda L, a=a, b=b: float(L[:, a, :, b].sum()))  # type: ignore[misc]
        for a, b in PAIRS
    ]
    return (*(along(axis) for axis in np.eye(3)), *crossed, *(along(direction) for direction in directions))


def _tracer(data: Displacements, species: int, directions: list[NDArray[np.float64]]) -> Components:
    """D* of one species in all components, over replicas."""
    D = tracer_of(data, species)
    if not np.isfinite(D.short):
        return (ZERO,) * (6 + len(directions))
    rise = 2 * (D.long - D.short) / CM2_PER_A2
    tensor = np.full((data.n_replicas, 3, 3), np.nan)
    for r, lag in enumerate(data.lag):
        t = np.append(0.0, lag)
        for k in range(3):
            M = np.append(0.0, data.msd[r][:, species, k])
            tensor[r, k, k] = (np.interp(D.long, t, M) - np.interp(D.short, t, M)) / rise
        if data.msd_cross is not None:
            for k, (a, b) in enumerate(PAIRS):
                M = np.append(0.0, data.msd_cross[r][:, species, k])
                tensor[r, a, b] = tensor[r, b, a] = (np.interp(D.long, t, M) - np.interp(D.short, t, M)) / rise
    found = [t_interval(tensor[:, k, k]) for k in range(3)]
    found += [t_interval(tensor[:, a, b]) if np.isfinite(tensor[:, a, b]).all() else NONE for a, b in PAIRS]
    for direction in directions:
        weight = np.outer(direction, direction)
        needed = np.abs(weight) > ALIGNED
        values = np.where(needed, tensor * weight, 0.0).sum(axis=(1, 2))
        found.append(t_interval(values) if np.isfinite(values).all() else NONE)
    return tuple(found)
