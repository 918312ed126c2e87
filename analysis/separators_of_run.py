"""The separator that a run describes: sigma, transference number and salt diffusivity with their intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analysis.cells import FARADAY
from analysis.onsager import orientation_mean, pair_slopes
from analysis.separators import Separator
from analysis.statistics import Interval
from analysis.transference import transference_of
from analysis.transport import transport
from structures.errors import InputError
from structures.units import BOLTZMANN, IONS_PER_A3_AT_1_MOL_PER_L

if TYPE_CHECKING:
    from analysis.campaign import Run

ION = "Li+"


def separator_of_run(
    run: Run, loading: float, T: float, *, thickness_cm: float, area_cm2: float, porosity: float = 1.0,
    tortuosity: float = 1.0,
) -> Separator:  # fmt: skip
    """Separator filled with what a run describes at the loading and temperature (K) nearest to those given.

    With one mobile anion and no other cation it is a salt: c is the number of anions per volume of the crystal, and the
    diffusivity that of Onsager coefficients at constant activity coefficients, without those of the ions apart,

        D = 2 kT (sigma_++ sigma_-- - sigma_+-²) / (e F c sigma),   t = (sigma_++ + sigma_+-) / sigma

    (Newman and Thomas-Alyea, Electrochemical Systems, 3rd ed., Wiley (2004), chapter 12); with these the voltage at
    small currents is i L / (sigma t_steady) exactly. With one other mobile cation and no anion they are counter-ions of
    a fixed charge; with more ions only small currents are described. There t is the steady-state number.

    Parameters
    ----------
    run : Run
    loading : float
    T : float, K
    thickness_cm, area_cm2 : float
    porosity, tortuosity : float

    Raises
    ------
    InputError
        If Li+ does not move there, or its share of the current is not between 0 and 1.
    """
    data = run.displacements(loading, T)
    names = data.species_names
    place = data.label or f"{loading:g}, {T:g} K"
    mobile = [n for n in range(len(names)) if data.moves[n] and data.charge[n]]
    if ION not in names or names.index(ION) not in mobile:
        raise InputError(f"{run.folder}: expected mobile {ION} at {place}; found {', '.join(names)}")
    li = names.index(ION)
    found = transport(data)
    _, _, slopes = pair_slopes(data)
    shares = transference_of(data, slopes)
    others = [n for n in mobile if n != li]
    anions, cations = ([n for n in others if np.sign(data.charge[n]) == sign] for sign in (-1, 1))
    t = shares.steady_state[li] if others else Interval(1.0, float("nan"), float("nan"))
    salt: float | None = None
    D: Interval | None = None
    exchange: float | None = None
    X: float | None = None
    unit = data.volume * IONS_PER_A3_AT_1_MOL_PER_L
    if len(anions) == 1 and not cations and slopes is not None:
        salt, t = float(data.count[anions[0]]) / unit, shares.electrical[li]
        pair = (li, anions[0])
        kT = BOLTZMANN * data.temperature
        D = slopes.interval(lambda L: _salt_diffusivity(orientation_mean(L), pair, salt * 1e-3, kT))
    elif len(cations) == 1 and not anions:
        n = data.count[[li, cations[0]]].astype(np.float64)
        exchange, X = float(n[0] / n.sum()), float(n.sum() / unit)
    if not 0 < t.value <= 1 or not found.value.value > 0 or (D is not None and not D.value > 0):
        raise InputError(f"{run.folder}: expected a conductivity and a share of {ION} above 0 and up to 1 at {place}; "
                         f"found {found.value.value:.3g} S/cm, {t.value:.3g}")  # fmt: skip
    return Separator(
        thickness_cm=thickness_cm,
        area_cm2=area_cm2,
        sigma=found.value,
        t_Li=_within(t),
        salt_mol_per_L=salt,
        D_salt=D,
        exchange=exchange,
        counter_ions_mol_per_L=X,
        porosity=porosity,
        tortuosity=tortuosity,
        T=data.temperature,
        label=place,
        origin=(
            f"sigma, t_Li{' and D' if D else ''} computed at {place}, with intervals that are drawn independently",
            *((f"{salt:.3g} mol of salt per litre of crystal",) if salt else ()),
            *(line for line in found.statements if "not converged" in line),
        ),
    )


def _salt_diffusivity(sigma: NDArray[np.float64], pair: tuple[int, int], c: float, kT: float) -> float:
    """Salt diffusivity, cm²/s, of a matrix sigma_ij, S/cm, at c mol/cm³ and kT in eV."""
    matrix = sigma[np.ix_(pair, pair)]
    determinant = matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0]
    return float(2 * kT * determinant / (FARADAY * c * matrix.sum()))


def _within(t: Interval) -> Interval:
    """Keep the ends of a share within 0 and 1."""
    return Interval(t.value, float(np.clip(t.lo, 0, 1)), float(np.clip(t.hi, 0, 1)))
