"""Textbook lattices as pore networks: nearest-neighbour hops of length 1 Å, energies in kT (kT = 1 eV)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lattice.network import PoreNetwork
from structures.species import Species
from structures.units import BOLTZMANN

TEMPERATURE = 1.0 / BOLTZMANN  # K; kT = 1 eV, so that energies in eV are energies in kT
BARRIER = 30.0  # kT; high enough that no barrier of the tests below is ever clipped
APART = 5.0  # Å between the periodic images of a chain or a plane
Bond = tuple[int, int, tuple[int, int, int]]


def ion(name: str, charge: float = 1.0) -> Species:
    return Species(name, charge, mass=1.0, lj_epsilon=0.0, lj_sigma=1.0, contact_radius=0.1, source="test")


UNKNOWN_FRAMEWORK = {
    "framework_symbols": (),
    "framework_frac": np.zeros((0, 3)),
    "framework_charges": np.zeros(0),
    "framework_charge": 0.0,
    "largest_cavity": 1.0,
    "limiting_diameter": 1.0,
}


def attempt_frequency_rates(
    site_energy: np.ndarray, saddle: np.ndarray, weight: np.ndarray | float = 1.0, states: np.ndarray | float = 1.0
) -> dict:
    """Fields of a PoreNetwork with k = weight · exp(-(E_saddle - E_i)/kT) / states, ln Z and ln C linear in 1/kT."""
    temperatures = np.array([200.0, 20000.0])
    beta = 1 / (BOLTZMANN * temperatures)
    return {
        "rate_model": "attempt_frequency",
        "temperatures": temperatures,
        "site_log_partition": np.log(np.broadcast_to(states, len(site_energy)))[:, None] - np.outer(site_energy, beta),
        "hop_log_conductance": np.log(np.broadcast_to(weight, len(saddle)))[:, None] - np.outer(saddle, beta),
        "site_overridden": np.zeros(len(site_energy), bool),
        "hop_overridden": np.zeros(len(saddle), bool),
    }


def network_of(
    cell: np.ndarray,
    frac: np.ndarray,
    bonds: Sequence[Bond],
    *,
    site_energy: np.ndarray | float = 0.0,
    saddle: np.ndarray | float | None = None,
    species: Sequence[Species] | None = None,
    rates: Sequence[float] | None = None,
    permittivity: float = 1.0,
) -> PoreNetwork:
    """The network with one site of every species at every point, and one ion at a point at most.

    `bonds` are given once each, as (i, j, image of j); `saddle` per bond, by default the top of both ends, so that a
    hop downhill has the rate nu. `rates` are the factors of the species on the hop rate.
    """
    species = tuple(species) if species is not None else (ion("A"),)
    rates = rates if rates is not None else np.ones(len(species))
    n_points, n_bonds = len(frac), len(bonds)
    energy = np.broadcast_to(np.asarray(site_energy, float), n_points)
    ends = np.array([bond[:2] for bond in bonds])
    image = np.array([bond[2] for bond in bonds])
    if saddle is None:
        saddle = energy[ends].max(axis=1)
    saddle = np.broadcast_to(np.asarray(saddle, float), n_bonds)

    origin, target, images, saddles, orbit, reverse = [], [], [], [], [], []
    for s, rate in enumerate(rates):
        first = len(np.concatenate(origin)) if origin else 0
        origin += [ends[:, 0] + s * n_points, ends[:, 1] + s * n_points]
        target += [ends[:, 1] + s * n_points, ends[:, 0] + s * n_points]
        images += [image, -image]
        saddles += [saddle - np.log(rate)] * 2
        orbit += [np.arange(n_bonds) + s * n_bonds] * 2
        reverse += [np.arange(n_bonds) + first + n_bonds, np.arange(n_bonds) + first]
    order = np.argsort(np.concatenate(origin), kind="stable")
    place = np.argsort(order)

    pairs = [(a, b) for a in range(len(species)) for b in range(len(species)) if a != b]
    points = np.arange(n_points)
    n_sites = n_points * len(species)
    return PoreNetwork(
        name="test lattice",
        cell=cell,
        **UNKNOWN_FRAMEWORK,
        permittivity=permittivity,
        species=species,
        site_species=np.repeat(np.arange(len(species)), n_points),
        site_frac=np.tile(frac, (len(species), 1)),
        site_energy=np.tile(energy, len(species)),
        site_orbit=np.arange(n_sites),
        site_label=("point",) * n_sites,
        site_width=np.zeros(n_sites),
        **attempt_frequency_rates(np.tile(energy, len(species)), np.concatenate(saddles)[order]),
        hop_origin=np.concatenate(origin)[order],
        hop_target=np.concatenate(target)[order],
        hop_image=np.concatenate(images)[order],
        hop_saddle=np.concatenate(saddles)[order],
        hop_orbit=np.concatenate(orbit)[order],
        hop_reverse=place[np.concatenate(reverse)[order]],
        exclusion_a=np.concatenate([points + a * n_points for a, _ in pairs]) if pairs else np.zeros(0),
        exclusion_b=np.concatenate([points + b * n_points for _, b in pairs]) if pairs else np.zeros(0),
        exclusion_image=np.zeros((len(pairs) * n_points, 3)),
        percolation=np.zeros((len(species), 3)),
        accessible_volume=float(abs(np.linalg.det(cell))),
        provenance=("test lattice",),
    )


def _bravais(cell: np.ndarray, images: Sequence[tuple[int, int, int]], **options) -> PoreNetwork:
    return network_of(np.asarray(cell, float), np.zeros((1, 3)), [(0, 0, image) for image in images], **options)


def ring(**options) -> PoreNetwork:
    """A chain along x; closed by (N, 1, 1) repeats."""
    return _bravais(np.diag([1.0, APART, APART]), [(1, 0, 0)], **options)


def square(**options) -> PoreNetwork:
    """A square lattice in the xy plane; (n, n, 1) repeats."""
    return _bravais(np.diag([1.0, 1.0, APART]), [(1, 0, 0), (0, 1, 0)], **options)


def simple_cubic(**options) -> PoreNetwork:
    return _bravais(np.eye(3), [(1, 0, 0), (0, 1, 0), (0, 0, 1)], **options)


def body_centred(**options) -> PoreNetwork:
    """The primitive cell of the bcc lattice."""
    cell = np.array([[-1.0, 1.0, 1.0], [1.0, -1.0, 1.0], [1.0, 1.0, -1.0]]) / np.sqrt(3)
    return _bravais(cell, [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1)], **options)


def face_centred(**options) -> PoreNetwork:
    """The primitive cell of the fcc lattice."""
    cell = np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]]) / np.sqrt(2)
    images = [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, -1, 0), (1, 0, -1), (0, 1, -1)]
    return _bravais(cell, images, **options)


def honeycomb(**options) -> PoreNetwork:
    """Two points per cell in the xy plane; (n, n, 1) repeats."""
    cell = np.array([[np.sqrt(3), 0.0, 0.0], [np.sqrt(3) / 2, 1.5, 0.0], [0.0, 0.0, APART]])
    frac = np.array([[0.0, 0.0, 0.0], [1 / 3, 1 / 3, 0.0]])
    return network_of(cell, frac, [(0, 1, (0, 0, 0)), (0, 1, (-1, 0, 0)), (0, 1, (0, -1, 0))], **options)


def diamond(**options) -> PoreNetwork:
    """The primitive cell of the diamond lattice, two points."""
    cell = np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]]) * 2 / np.sqrt(3)
    frac = np.array([[0.0, 0.0, 0.0], [0.25, 0.25, 0.25]])
    images = [(0, 0, 0), (-1, 0, 0), (0, -1, 0), (0, 0, -1)]
    return network_of(cell, frac, [(0, 1, image) for image in images], **options)


def chain(site_energy: np.ndarray, saddle: np.ndarray, **options) -> PoreNetwork:
    """Points 1 Å apart along x in one long cell; bond i joins point i to point i + 1, the last one crosses the cell."""
    n = len(site_energy)
    frac = np.column_stack([np.arange(n) / n, np.zeros(n), np.zeros(n)])
    bonds = [(i, (i + 1) % n, (int(i + 1 == n), 0, 0)) for i in range(n)]
    return network_of(np.diag([n, APART, APART]), frac, bonds, site_energy=site_energy, saddle=saddle, **options)
