"""A network with everything at once: triclinic cell, three charges, unlike entropies and weights, low saddles."""

from __future__ import annotations

import numpy as np
from lattices import UNKNOWN_FRAMEWORK, attempt_frequency_rates

from lattice.network import PoreNetwork
from structures.species import Species

TEMPERATURE = 300.0
CELL = np.array([[6.0, 0.0, 0.0], [1.3, 5.5, 0.0], [-0.8, 1.1, 6.5]])
_IMAGES = np.array([(x, y, z) for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-1, 0, 1)])
_CONTACT = 1.2  # Å between any two ions


def random_network(seed: int = 3, permittivity: float = 60.0) -> PoreNetwork:
    """Seven sites of A+, five of B-, four of C2+ and one of B- on top of one of A+; sites of a kind 1 Å apart."""
    rng = np.random.default_rng(seed)
    species = tuple(Species(*s, mass=1.0, lj_epsilon=0.0, lj_sigma=1.0, contact_radius=0.6, source="test")
                    for s in (("A+", 1.0), ("B-", -1.0), ("C2+", 2.0)))  # fmt: skip
    frac: list[np.ndarray] = []
    kind = [0] * 7 + [1] * 6 + [2] * 4
    for site, p in enumerate(kind):
        while True:
            trial = frac[0] + 0.02 if site == 12 else rng.random(3)
            apart = [_vectors(trial, f)[1].min() for f, q in zip(frac, kind, strict=False) if q == p]
            if min(apart, default=9.0) > 1.0:
                break
        frac.append(trial % 1.0)
    hops, walls = _links(frac, kind)
    index = {hop: k for k, hop in enumerate(hops)}
    reverse = np.array([index[(b, a, -x, -y, -z)] for a, b, x, y, z in hops])
    table, excluded = np.array(hops), np.array(walls).reshape(-1, 5)
    n_sites, orbit = len(frac), np.minimum(np.arange(len(hops)), reverse)
    energy, states = rng.uniform(0.0, 0.1, n_sites), rng.uniform(1.0, 3.0, n_sites)
    saddle = (energy[table[:, 0]] + energy[table[:, 1]]) / 2 + rng.uniform(-0.05, 0.15, len(hops))
    return PoreNetwork(
        name="random", cell=CELL, **UNKNOWN_FRAMEWORK, permittivity=permittivity, species=species,
        site_species=np.array(kind), site_frac=np.array(frac), site_energy=energy, site_orbit=np.arange(n_sites),
        site_label=("",) * n_sites, site_width=np.zeros(n_sites), hop_orbit=orbit, hop_reverse=reverse,
        **attempt_frequency_rates(energy, saddle[orbit], rng.uniform(0.3, 1.0, len(hops))[orbit], states),
        hop_origin=table[:, 0], hop_target=table[:, 1], hop_image=table[:, 2:], hop_saddle=saddle[orbit],
        exclusion_a=excluded[:, 0], exclusion_b=excluded[:, 1], exclusion_image=excluded[:, 2:],
        percolation=np.zeros((3, 3)), accessible_volume=1.0, provenance=("test",),
    )  # fmt: skip


def _vectors(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return _IMAGES, np.linalg.norm((b - a + _IMAGES) @ CELL, axis=1)


def _links(frac: list[np.ndarray], kind: list[int]) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    hops, walls = [], []
    for a, f in enumerate(frac):
        for b, g in enumerate(frac):
            for image, d in zip(*_vectors(f, g), strict=True):
                link = (a, b, *image.tolist())
                if kind[a] == kind[b] and 0 < d < 4.5:
                    hops.append(link)
                if a != b and d < _CONTACT:
                    walls.append(link)
    return sorted(hops), walls
