"""What a separator's ion transport costs a cell: ohmic drop, concentration polarisation, limiting current, Sand's time.

A slab of thickness L between two electrodes that exchange Li+ alone, current density i, no convection, no interfaces.
With a dissolved 1:1 salt it is a dilute binary electrolyte: in the steady state the anions stand still, the salt
concentration c falls linearly from one electrode to the other, and

    i_lim = 2 F D c / ((1 - t) L),   V = i L / sigma · artanh(u) / u + 4 (kT/e) (1 - t) artanh(u),   u = i / i_lim,

where the first term is the ohmic drop with sigma proportional to the local concentration and the second what the salt
gradient adds. J. Newman, K. E. Thomas-Alyea, Electrochemical Systems, 3rd ed., Wiley (2004), chapters 11 and 12;
C. Brissot, M. Rosso, J.-N. Chazalviel, S. Lascaud, J. Power Sources 81-82, 925 (1999). For small currents V is
i L / (sigma t), the steady state of P. G. Bruce, C. A. Vincent, J. Electroanal. Chem. 225, 1 (1987). Above i_lim the
concentration at one electrode vanishes after Sand's time, H. J. S. Sand, Philos. Mag. 1, 45 (1901).

With mobile counter-ions of a framework's fixed charge X, a share x of them Li+ and the rest cations that the electrodes
do not exchange, the others pile up exponentially instead, c_2 ~ exp(K z / L) with K = i L e x / (kT sigma t), and

    V = (kT/e) (K + ln(c_1(0) / c_1(L))),   i_lim where (1 - exp(-K)) / K = 1 - x.

With t = 1 nothing polarises and there is no limiting current.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import lambertw

from structures.units import AVOGADRO, BOLTZMANN, ELEMENTARY_CHARGE

FARADAY = ELEMENTARY_CHARGE * AVOGADRO  # C/mol
ROOM = 298.15  # K
SHORT = 0.02  # of D t / L², below which the other electrode is not felt: Sand's time is exact to 1e-6
TERMS = 8  # of the Fourier series beyond
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Salt:
    """A dilute 1:1 salt.

    Attributes
    ----------
    c : float, mol/cm³
    D : array_like, cm²/s
        Salt (ambipolar) diffusivity.
    t : array_like
        Transference number of the cation that the electrodes exchange.
    """

    c: float
    D: ArrayLike
    t: ArrayLike


def ambipolar_diffusivity(D_plus: ArrayLike, D_minus: ArrayLike) -> Array:
    """Salt diffusivity of a dilute 1:1 electrolyte, 2 D+ D- / (D+ + D-) (Newman and Thomas-Alyea, chapter 11).

    Parameters
    ----------
    D_plus, D_minus : array_like, cm²/s
        Not both zero.
    """
    plus, minus = np.asarray(D_plus, np.float64), np.asarray(D_minus, np.float64)
    return np.asarray(2 * plus * minus / (plus + minus))


def nernst_einstein_diffusivity(sigma: ArrayLike, t: ArrayLike, c: float, T: float = ROOM) -> Array:
    """Salt diffusivity that sigma and t have in a dilute ideal electrolyte, 2 t (1 - t) sigma kT / (e F c), cm²/s.

    It follows from sigma = F² c (D+ + D-) / RT and t = D+ / (D+ + D-). The limiting current then is 4 t sigma kT/(e L),
    whatever the concentration.

    Parameters
    ----------
    sigma : array_like, S/cm
    t : array_like
    c : float, mol/cm³
        Of the volume that sigma refers to.
    T : float, K
    """
    t = np.asarray(t, np.float64)
    return np.asarray(2 * t * (1 - t) * np.asarray(sigma) * BOLTZMANN * T / (FARADAY * c))


def ohmic_drop(i: ArrayLike, sigma: ArrayLike, L: float) -> Array:
    """Voltage over a slab of even concentration, i L / sigma, V; i in A/cm², L in cm."""
    return np.asarray(np.asarray(i, np.float64) * L / np.asarray(sigma))


def limiting_current(salt: Salt, L: float) -> Array:
    """Largest steady current density of a dilute 1:1 salt, 2 F D c / ((1 - t) L), A/cm²; infinite for t = 1."""
    with np.errstate(divide="ignore"):
        return np.asarray(2 * FARADAY * np.asarray(salt.D) * salt.c / ((1 - np.asarray(salt.t, np.float64)) * L))


def steady_voltage(i: ArrayLike, sigma: ArrayLike, salt: Salt, L: float, T: float = ROOM) -> Array:
    """Voltage between two Li electrodes in the steady state of a dilute 1:1 salt, V; infinite from i_lim on.

    The formula of the module's head. Where D, t and sigma obey `nernst_einstein_diffusivity` it is
    4 (kT/e) artanh(i / i_lim).
    """
    i = np.asarray(i, np.float64)
    u = i / limiting_current(salt, L)
    with np.errstate(invalid="ignore", divide="ignore"):
        at = np.arctanh(np.minimum(u, 1.0))
        stretch = np.where(u > 1e-8, at / u, 1.0)
    return np.asarray(ohmic_drop(i, sigma, L) * stretch + 4 * BOLTZMANN * T * (1 - np.asarray(salt.t)) * at)


def exchange_limiting_current(sigma: ArrayLike, t: ArrayLike, x: float, L: float, T: float = ROOM) -> Array:
    """Largest steady current density where the other counter-ions of a fixed charge pile up, A/cm².

    K = 1/(1 - x) + W(-exp(-1/(1 - x)) / (1 - x)), Lambert's W, solves (1 - exp(-K)) / K = 1 - x.

    Parameters
    ----------
    sigma : array_like, S/cm
    t : array_like
        Share of Li+ in it.
    x : float
        Share of Li+ among the counter-ions, 0 < x ≤ 1.
    L : float, cm
    T : float, K
    """
    if x >= 1:
        return np.broadcast_to(np.inf, np.broadcast_shapes(np.shape(sigma), np.shape(t)))
    inverse = 1 / (1 - x)
    K = inverse + float(np.real(lambertw(-inverse * np.exp(-inverse))))
    return np.asarray(K * np.asarray(sigma) * np.asarray(t) * BOLTZMANN * T / (x * L))


def exchange_voltage(i: ArrayLike, sigma: ArrayLike, t: ArrayLike, x: float, L: float, T: float = ROOM) -> Array:
    """Steady voltage with two kinds of counter-ions of a fixed charge, one of them blocked, V; infinite from i_lim on.

    The formula of the module's head; ions independent of each other (Nernst and Planck) and of the place.
    """
    i = np.asarray(i, np.float64)
    kT = BOLTZMANN * T
    K = i * L * x / (kT * np.asarray(sigma) * np.asarray(t))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        low = np.where(K > 1e-8, (1 - x) * K / np.expm1(K), (1 - x) * (1 - K / 2))  # others at the one electrode
        high = np.where(K > 1e-8, (1 - x) * K / -np.expm1(-K), (1 - x) * (1 + K / 2))  # and at the other
        voltage = kT * (K + np.log1p(-low) - np.log1p(-np.minimum(high, 1.0)))
    return np.asarray(np.where(high < 1, voltage, np.inf))


def exchange_diffusivity(sigma: ArrayLike, t: ArrayLike, x: float, X: float, T: float = ROOM) -> Array:
    """Interdiffusivity of two counter-ions of a fixed charge X (mol/cm³), cm²/s.

    D_1 D_2 X / (D_1 c_1 + D_2 c_2) of Nernst and Planck (F. Helfferich, Ion Exchange, McGraw-Hill (1962), chapter 6)
    with sigma t = F² D_1 x X / RT and sigma (1 - t) = F² D_2 (1 - x) X / RT.
    """
    t = np.asarray(t, np.float64)
    return np.asarray(np.asarray(sigma) * t * (1 - t) * BOLTZMANN * T / (FARADAY * X * x * (1 - x)))


def sand_time(i: ArrayLike, salt: Salt) -> Array:
    """Time after which the concentration at an electrode far from the other vanishes, pi D (F c / (2 i (1 - t)))², s.

    H. J. S. Sand, Philos. Mag. 1, 45 (1901). i sqrt(time) is a constant. Infinite for t = 1.
    """
    with np.errstate(divide="ignore"):
        per = FARADAY * salt.c / (2 * np.asarray(i, np.float64) * (1 - np.asarray(salt.t, np.float64)))
        return np.asarray(np.pi * np.asarray(salt.D) * per**2)


def depletion(theta: ArrayLike) -> Array:
    """Concentration that constant opposite fluxes at both faces of a slab have taken from one of them, over flux L / D.

    1/2 - (4/π²) Σ_odd exp(-k² π² θ) / k² at θ = D time / L², up to 0.02 its limit 2 sqrt(θ/π) for a face that does not
    feel the other. H. S. Carslaw, J. C. Jaeger, Conduction of Heat in Solids, 2nd ed., Oxford (1959), section 3.8.
    """
    theta = np.asarray(theta, np.float64)
    odd = 2 * np.arange(TERMS) + 1.0
    terms = np.exp(-((odd * np.pi) ** 2) * np.maximum(theta, SHORT)[..., None]) / odd**2
    return np.asarray(np.where(theta > SHORT, 0.5 - 4 / np.pi**2 * terms.sum(axis=-1), 2 * np.sqrt(theta / np.pi)))


def transition_time(i: ArrayLike, salt: Salt, L: float) -> Array:
    """Time after which the concentration at one electrode of a slab vanishes, s; infinite up to i_lim.

    Where `depletion` is i_lim / (2 i): Newton on the logarithm of what it lacks from 1/2, which is convex in the time,
    from the asymptote of its first term; up to 0.02 L²/D it is Sand's time.
    """
    u = np.asarray(np.asarray(i, np.float64) / limiting_current(salt, L))
    sand = np.pi / (16 * np.maximum(u, 1e-150) ** 2)
    late = (u > 1) & (sand > SHORT / 1.5)
    odd = 2 * np.arange(TERMS) + 1.0
    wanted = np.log(np.where(late, 0.5 - 0.5 / np.where(late, u, 2.0), 0.2))
    theta = np.maximum((np.log(4 / np.pi**2) - wanted) / np.pi**2, SHORT / 4)
    for _ in range(8):
        terms = np.exp(-((odd * np.pi) ** 2) * theta[..., None]) / odd**2
        total = terms.sum(axis=-1)
        slope = -(np.pi**2) * (odd**2 * terms).sum(axis=-1) / total
        theta = theta - (np.log(4 / np.pi**2 * total) - wanted) / slope
    theta = np.where(late & (theta > SHORT), theta, sand)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(u > 1, theta * L**2 / np.asarray(salt.D), np.inf))


def current_of_transition(time: ArrayLike, salt: Salt, L: float) -> Array:
    """Give the current density with this `transition_time` (s), A/cm²: i_lim / (2 depletion)."""
    with np.errstate(invalid="ignore"):
        return np.asarray(limiting_current(salt, L) / (2 * depletion(np.asarray(salt.D) * np.asarray(time) / L**2)))


def current_that_passes(charge: ArrayLike, salt: Salt, L: float) -> Array:
    """Largest current density that passes a charge (C/cm²) before Li+ runs out at one electrode, A/cm².

    i · transition_time(i) = charge, that is θ / (2 depletion(θ)) = charge D / (i_lim L²). The left side lies between
    1 and 1.2 times max(θ, sqrt(πθ)/4), so that the root is known to a factor of 1.5 before the bisection.
    """
    i_lim = limiting_current(salt, L)
    with np.errstate(invalid="ignore"):
        passed = np.asarray(np.asarray(charge, np.float64) * np.asarray(salt.D) / (i_lim * L**2))
    high = np.where(passed > 0, np.minimum(passed, 16 * passed**2 / np.pi), 1.0)
    low = high / 2
    for _ in range(50):
        middle = (low + high) / 2
        short = middle / (2 * depletion(middle)) < passed
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(np.isinf(i_lim), np.inf, i_lim / (2 * depletion(high))))


def relaxation_time(D: ArrayLike, L: float) -> Array:
    """Slowest relaxation of a salt gradient between two electrodes, L² / (π² D), s."""
    with np.errstate(divide="ignore"):
        return np.asarray(L**2 / (np.pi**2 * np.asarray(D, np.float64)))
