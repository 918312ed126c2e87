"""Constants of the SI of 2019 and the few conversions at the edges of the program.

Inside: Å, eV, K, s and the elementary charge. BIPM, The International System of Units, 9th ed. (2019) for the exact
values; CODATA 2022 for the vacuum permittivity and the atomic mass constant.
"""

from __future__ import annotations

import math

ELEMENTARY_CHARGE = 1.602176634e-19  # C, exact
BOLTZMANN_SI = 1.380649e-23  # J/K, exact
AVOGADRO = 6.02214076e23  # 1/mol, exact
VACUUM_PERMITTIVITY = 8.8541878188e-12  # F/m, CODATA 2022
ATOMIC_MASS = 1.66053906892e-27  # kg, CODATA 2022
CALORIE = 4.184  # J, thermochemical, exact

BOLTZMANN = BOLTZMANN_SI / ELEMENTARY_CHARGE  # eV/K
BOHR = 0.529177210544  # Å, CODATA 2022
HARTREE = 27.211386245981  # eV, CODATA 2022
COULOMB = ELEMENTARY_CHARGE / (4.0 * math.pi * VACUUM_PERMITTIVITY) * 1e10  # eV Å, 14.3996
KCAL_PER_MOL = 1e3 * CALORIE / AVOGADRO / ELEMENTARY_CHARGE  # eV

CELSIUS_ZERO = 273.15  # K
CM2_PER_A2 = 1e-16
IONS_PER_A3_AT_1_MOL_PER_L = AVOGADRO * 1e-27


def conductivity_S_per_cm(collective_slope: float, volume: float, temperature: float) -> float:  # noqa: N802
    """Conductivity of the charge displacement's mean square, sigma = e² <|ΔP|²> / (6 V kT t).

    Parameters
    ----------
    collective_slope : float, e² Å²/s
        <|ΔP|²> / (6 t) of the charge displacement P = Σ q_i r_i.
    volume : float, Å³
    temperature : float, K

    Returns
    -------
    float, S/cm
    """
    si = collective_slope * 1e-20 * ELEMENTARY_CHARGE**2 / (volume * 1e-30 * BOLTZMANN_SI * temperature)
    return si * 1e-2
