"""Rates from the energy landscape: partition functions of basins and fluxes through the planes between them.

Transition state theory in its flux form: an ion leaves basin i towards j at k_ij = C_ij / Z_i with

    Z_i = integral over the basin of exp(-F/kT) d³r              (Å³)
    C_ij = sqrt(kT / 2 pi m) · integral over the face of exp(-F/kT) dA      (Å³/s)

(D. Chandler, J. Chem. Phys. 68, 2959 (1978); A. F. Voter and J. D. Doll, J. Chem. Phys. 80, 5832 (1984)). Detailed
balance holds at every temperature, because both directions share C. F is the energy of the ion or, for ions of several
beads, the free energy averaged over their orientations; m is the mass of the whole ion, and its rotation is fast.

The face of a saddle point is the plane through it normal to its unstable mode, as far as the points of the plane
descend to the saddle point within the plane. At a low temperature it is the plane with the smallest flux; the staircase
between the voxels of two basins has neither the area nor the height of the true face.

Two basins that touch on the grid only above the pass of a third one have no saddle point between them, and no flux of
their own: what crosses there turns in the surroundings of that pass. With the planes alone and Kramers' factor
sqrt(kappa / 2 pi kT) for strong friction (kappa the curvature along the unstable mode), D of a lone Li+ is 0.9 to 1.5
times that of continuum diffusion on the grid in the Ni-MOF and 0.9 to 1.2 times in MOF-5 (233 to 400 K); with those
faces, 4 and 9 % of the flux at 233 K, it would be 1.2 to 1.9 and 1.1 to 1.3 times.

Harmonic TST (G. H. Vineyard, J. Phys. Chem. Solids 3, 121 (1957)) replaces both integrals by Gaussians, and is a check
where the landscape is stiff. Where a stationary point is flat there is no Gaussian, and the integral stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product

import numpy as np
from numpy.typing import NDArray

from lattice.basins import Basins
from lattice.quadrature import LONGEST_STEP, FreeEnergy, aliasing, basin_core, saddle_plane
from lattice.rate_models import RATE_MODELS, RateModel
from lattice.stationary import Stationary
from structures.units import ATOMIC_MASS, BOLTZMANN, BOLTZMANN_SI

Float = NDArray[np.float64]

CORE = (
    5.0,
    12.0,
)  # highest kT above a minimum: up to here on a lattice of its own, from there on the grid, and blended
SADDLE_DEPTH = 10.0  # highest kT above a saddle point; exp(-10) of a plane is left out
RESOLVED = 2e-3  # largest relative error of the sum over the grid around a minimum
FLAT = 1e-3  # eV/Å², at which a Gaussian is 4 Å wide at 200 K, more than a basin
SPAN = 2.5  # ratio of the temperatures that one lattice around a minimum serves
_BLOCK = 1 << 18  # grid points at a time
VARIES = 1e-9  # eV, a larger change of F between the temperatures makes it a free energy


def thermal_flux(mass: float, temperatures: Float) -> Float:
    """Mean of the positive part of one component of the velocity, sqrt(kT / 2 pi m), (n_T,), Å/s.

    Parameters
    ----------
    mass : float, amu
    temperatures : (n_T,) float64, K
    """
    return np.asarray(np.sqrt(BOLTZMANN_SI * temperatures / (2.0 * np.pi * mass * ATOMIC_MASS)) * 1e10)


def site_partition(
    landscape: FreeEnergy,
    basins: Basins,
    stationary: Stationary,
    temperatures: Float,
    *,
    model: RateModel,
    notes: list[str] | None = None,
) -> Float:
    """Logarithm of the partition function of every site, the same to the last bit within an orbit.

    The grid sums what it resolves. Around a minimum that is too narrow for it, a lattice of its own takes over, blended
    with the grid by a smooth function of the energy. The grid holds F at one temperature only, which is good enough far
    above the minimum; below, the lattice adds the difference between the integrands of both F, and nothing at the
    temperature of the grid. A site without a basin on the grid is taken as harmonic, with no curvature below `FLAT`.

    Parameters
    ----------
    landscape : FreeEnergy
    basins : Basins
    stationary : Stationary
    temperatures : (n_T,) float64, K
        Ascending.
    model : RateModel
    notes : list of str, optional
        Takes up what was done otherwise than the model says, and for how many orbits.

    Returns
    -------
    (n_sites, n_T) float64
        ln of Å³; with "attempt_frequency" -E/kT, of a number.
    """
    graph, kT = stationary.graph, BOLTZMANN * temperatures
    first, orbit = np.unique(graph.orbit, return_index=True, return_inverse=True)[1:]
    minima = graph.frac[first]
    exponent = landscape.free_energy(minima, temperatures).T / kT
    if _is_plain(model):
        return np.asarray(-exponent[orbit])
    energy, _, hessian = landscape.derivatives(minima)
    curvature = np.asarray(np.linalg.eigvalsh(hessian))
    harmonic = 1.5 * np.log(2.0 * np.pi * kT) - 0.5 * np.log(np.maximum(curvature, FLAT)).sum(axis=1)[:, None]
    flat = np.asarray(curvature[:, 0] <= FLAT)
    if model == "harmonic_tst" and not flat.any():
        return np.asarray((harmonic - exponent)[orbit])
    owner = _Owner(basins, stationary)
    total = np.zeros_like(exponent)
    cored = np.zeros(len(first))
    coarse = np.zeros(len(first), bool)
    varies = _varies(landscape, np.concatenate([minima, stationary.saddle_frac.reshape(-1, 3)]), temperatures)
    for n, site in enumerate(first):
        resolved = _resolved(landscape, hessian[n], float(kT[0]))
        if resolved and not varies:
            continue
        depth = float(energy[n]), exponent[n]
        own, grid = _core_sums(landscape, minima[n], temperatures, depth, partial(owner.share, int(site)))
        if resolved:
            total[n] = own - grid
        elif own.all():
            total[n], cored[n] = own, 1.0
        else:
            coarse[n] = True
    voxel = abs(np.linalg.det(landscape.cell)) / landscape.energy.size
    total += _grid_sums(owner, kT, orbit, energy, cored) * (voxel / np.bincount(orbit)[:, None])
    found = np.asarray((total > 0.0).all(axis=1))
    as_gaussian = ~found | ((model == "harmonic_tst") & ~flat)
    log_volume = np.where(as_gaussian[:, None], harmonic, np.log(np.where(found[:, None], total, 1.0)))
    if notes is not None:
        notes += _departures(model, found, flat, coarse)
    return np.asarray((log_volume - exponent)[orbit])


def saddle_conductance(
    landscape: FreeEnergy,
    stationary: Stationary,
    mass: float,
    temperatures: Float,
    *,
    model: RateModel,
    notes: list[str] | None = None,
) -> Float:
    """Logarithm of the flux over one saddle point of each level, C = Z_i k_ij.

    A contact of the grid that has no saddle point near it is taken at its place and with its softest mode as normal.

    Parameters
    ----------
    landscape : FreeEnergy
    stationary : Stationary
    mass : float, amu
    temperatures : (n_T,) float64, K
        Ascending.
    model : RateModel
    notes : list of str, optional
        Takes up for how many saddle points the plane is integrated though the model is harmonic.

    Returns
    -------
    (n_levels, n_T) float64
        ln of Å³/s; with "attempt_frequency" -E/kT, ln C over the attempt frequency.
    """
    frac = stationary.saddle_frac.reshape(-1, 3)
    if not len(frac):
        return np.zeros((0, len(temperatures)))
    kT = BOLTZMANN * temperatures
    exponent = landscape.free_energy(frac, temperatures).T / kT
    if _is_plain(model):
        return np.asarray(-exponent)
    speed = np.log(thermal_flux(mass, temperatures))
    stable = np.asarray(np.linalg.eigvalsh(landscape.derivatives(frac)[2]))[:, 1:]
    area = np.empty_like(exponent)
    harmonic = np.asarray((stable > FLAT).all(axis=1)) & (model == "harmonic_tst")
    if notes is not None and model == "harmonic_tst" and not harmonic.all():
        notes.append(f"flat saddle points, integrated because they are not harmonic: {_orbits(~harmonic)}")
    for n, point in enumerate(frac):
        if harmonic[n]:
            area[n] = np.log(2.0 * np.pi * kT) - 0.5 * np.log(stable[n].prod())
            continue
        plane = saddle_plane(landscape, point, temperatures, depth=SADDLE_DEPTH * float(kT[-1]))
        area[n] = np.log(plane.weight @ np.exp(exponent[n] - plane.exponent))
    return np.asarray(area - exponent + speed)


def _is_plain(model: RateModel) -> bool:
    if model not in RATE_MODELS:
        raise ValueError(f"model must be one of {', '.join(RATE_MODELS)}; got {model}")
    return model == "attempt_frequency"


class _Owner:
    """Which site a point of space belongs to: shared by those of the grid points around it."""

    def __init__(self, basins: Basins, stationary: Stationary) -> None:
        self._basins = basins
        # the last entries are for points above the ceiling, which have the basin -1
        self._site = np.append(stationary.basin_site, -1)
        self._image = np.concatenate([stationary.basin_image, np.zeros((1, 3), np.int64)])
        self._shape = np.array(basins.energy.shape)

    def blocks(self) -> Iterator[tuple[NDArray[np.int64], Float]]:
        """Sites and energies (eV) of the grid points that belong to one, a bounded number at a time."""
        flat = self._basins.energy.reshape(-1)
        for start in range(0, flat.size, _BLOCK):
            site = self._site[self._basins.label[start : start + _BLOCK]]
            inside = np.flatnonzero(site >= 0)
            yield site[inside], flat[start + inside]

    def share(self, site: int, frac: Float) -> Float:
        """Part of points (m, 3) that belongs to a site in the home cell, (m,): linear between the grid points.

        The parts of all sites sum to one, and a lattice that does not fit the grid sees no steps.
        """
        low = np.floor(frac * self._shape).astype(np.int64)
        beyond = frac * self._shape - low
        total = np.zeros(len(frac))
        for corner in product((0, 1), repeat=3):
            index = low + corner
            home = index % self._shape
            point = (home[:, 0] * self._shape[1] + home[:, 1]) * self._shape[2] + home[:, 2]
            label = self._basins.label[point]
            image = (index - home) // self._shape + self._basins.image[point] + self._image[label]
            mine = (self._site[label] == site) & (image == 0).all(axis=1)
            total += mine * np.where(corner, beyond, 1.0 - beyond).prod(axis=1)
        return total


def _departures(
    model: RateModel, found: NDArray[np.bool_], flat: NDArray[np.bool_], coarse: NDArray[np.bool_]
) -> list[str]:
    """Say for how many orbits of minima the partition function is not what the model stands for."""
    asked = model == "harmonic_tst"
    cases = (
        (coarse & found & (not asked), "minima that the grid gives to a neighbour, summed on the grid alone"),
        (~found & ~flat & (not asked), "minima that the grid does not have, taken as harmonic"),
        (~found & flat, f"flat minima that the grid does not have, with a curvature of {FLAT:g} eV/Å²"),
        (found & flat & asked, "flat minima, integrated because they are not harmonic"),
    )
    return [f"{what}: {_orbits(which)}" for which, what in cases if which.any()]


def _orbits(which: NDArray[np.bool_]) -> str:
    """Count orbits in words."""
    number = int(which.sum())
    return f"{number} {'orbit' if number == 1 else 'orbits'}"


def _varies(landscape: FreeEnergy, frac: Float, temperatures: Float) -> bool:
    """Whether the energy depends on the temperature at any of some points (m, 3)."""
    return bool(np.ptp(landscape.free_energy(frac, temperatures), axis=0).max() > VARIES)


def _resolved(landscape: FreeEnergy, hessian: Float, kT: float) -> bool:
    """Whether the grid sums the Gaussian of a minimum to the precision of `RESOLVED`."""
    steps = landscape.cell / np.array(landscape.energy.shape)[:, None]
    return aliasing(steps, hessian, kT) <= RESOLVED and landscape.spacing <= LONGEST_STEP * (1.0 + 1e-9)


def _core_sums(
    landscape: FreeEnergy,
    minimum: Float,
    temperatures: Float,
    depth: tuple[float, Float],
    share: Callable[[Float], Float],
) -> tuple[Float, Float]:
    """Sum exp(-F/kT), and the same with F of the grid's temperature, around a minimum on a lattice of its own.

    Parameters
    ----------
    depth : (energy in eV, exponent (n_T,))
        Of the minimum: both sums count from it, and are blended out above it.

    Returns
    -------
    own, grid : (n_T,) float64, Å³
        0 where no part of the surroundings belongs to the site.
    """
    kT = BOLTZMANN * temperatures
    own, grid = np.zeros(len(kT)), np.zeros(len(kT))
    last = len(kT)
    while last:
        first = int(np.searchsorted(SPAN * temperatures, temperatures[last - 1] * (1.0 - 1e-9)))
        some = slice(first, last)
        ceiling = depth[0] + CORE[1] * float(kT[-1])
        core = basin_core(landscape, minimum, temperatures[some], ceiling=ceiling, share=share)
        height = core.energy - depth[0]
        part = core.weight * _blend(height, float(kT[-1]))
        own[some] = part @ np.exp(depth[1][some] - core.exponent)
        grid[some] = part @ np.exp(-height[:, None] / kT[some])
        last = first
    return own, grid


def _blend(height: Float, kT: float) -> Float:
    """Part of a point that is not left to the grid: 1 near the minimum, 0 far above it, twice differentiable."""
    x = np.clip((height / kT - CORE[0]) / (CORE[1] - CORE[0]), 0.0, 1.0)
    return np.asarray(1.0 - x**3 * (10.0 - 15.0 * x + 6.0 * x**2))


def _grid_sums(owner: _Owner, kT: Float, orbit: NDArray[np.int64], lowest: Float, cored: Float) -> Float:
    """Sum exp((E - F)/kT) over the grid points of every orbit, less what its cores take, (n_orbits, n_T).

    Parameters
    ----------
    kT : (n_T,) float64, eV
    orbit : (n_sites,) int64
    lowest : (n_orbits,) float64, eV
        E, the energy of the minimum.
    cored : (n_orbits,) float64
        1 where the neighbourhood of the minimum is summed on its own lattice alone, else 0.
    """
    total = np.zeros((len(lowest), len(kT)))
    for site, energy in owner.blocks():
        kind = orbit[site]
        height = energy - lowest[kind]
        part = 1.0 - cored[kind] * _blend(height, float(kT[-1]))
        for t, level in enumerate(kT):
            total[:, t] += np.bincount(kind, weights=part * np.exp(-height / level), minlength=len(lowest))
    return total
