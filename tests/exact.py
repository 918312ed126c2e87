"""Exact transport coefficients of small periodic lattice gases, by linear algebra on the master equation.

Every configuration of a supercell is enumerated, every hop between configurations is listed with its rate and its
displacement, and the transport coefficients follow from one linear system (VERIFICATION.md §4 holds for any Markov
chain whose jumps carry displacements). Energies are in kT. Nothing here is shared with the engine: the supercell, the
Ewald sum, the energies and the rates are worked out from the network's arrays by the plainest code that is right.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse.linalg import cg, expm_multiply, spsolve
from scipy.special import erfc

from lattice.network import PoreNetwork
from structures.units import BOLTZMANN

_DENSE = 1200  # states; above it conjugate gradients beat a factorisation


@dataclass(frozen=True)
class Supercell:
    """A network repeated in three directions; sites numbered cell by cell."""

    cell: np.ndarray
    position: np.ndarray
    species: np.ndarray
    energy: np.ndarray
    entropy: np.ndarray
    charge: np.ndarray
    origin: np.ndarray
    target: np.ndarray
    vector: np.ndarray
    saddle: np.ndarray
    prefactor: np.ndarray
    excluded: np.ndarray


def supercell(network: PoreNetwork, repeats: tuple[int, int, int], kT: float = 1.0) -> Supercell:
    """Repeat a network; energies are divided by kT; a site has the free energy -ln Z, `entropy` above its bottom."""
    cells = list(itertools.product(*(range(n) for n in repeats)))
    number = {c: k for k, c in enumerate(cells)}
    S, N = network.n_sites, network.n_sites * len(cells)

    def site(cell: tuple, image: np.ndarray, sublattice: int) -> int:
        moved = tuple((int(c) + int(m)) % n for c, m, n in zip(cell, image, repeats, strict=True))
        return number[moved] * S + int(sublattice)

    target = [site(c, m, t) for c in cells for t, m in zip(network.hop_target, network.hop_image, strict=True)]
    excluded = np.eye(N, dtype=bool)
    for c in cells:
        for a, b, m in zip(network.exclusion_a, network.exclusion_b, network.exclusion_image, strict=True):
            excluded[site(c, (0, 0, 0), a), site(c, m, b)] = True
    charge = np.array([s.charge for s in network.species])[network.site_species]
    beta = 1 / (BOLTZMANN * network.temperatures)
    lagrange = np.array([np.prod([(1 / kT - b) / (a - b) for b in beta if b != a]) for a in beta])
    log_Z, log_C = network.site_log_partition @ lagrange, network.hop_log_conductance @ lagrange
    bottom, saddle = network.site_energy / kT, network.hop_saddle / kT
    prefactor = np.exp(log_C - log_Z[network.hop_origin] + saddle - bottom[network.hop_origin])
    return Supercell(
        cell=network.cell * np.array(repeats)[:, None],
        position=np.concatenate([(network.site_frac + c) @ network.cell for c in cells]),
        species=np.tile(network.site_species, len(cells)),
        energy=np.tile(-log_Z, len(cells)),
        entropy=np.tile(-log_Z - bottom, len(cells)),
        charge=np.tile(charge, len(cells)),
        origin=np.concatenate([network.hop_origin + S * k for k in range(len(cells))]),
        target=np.array(target),
        vector=np.tile(network.hop_vector, (len(cells), 1)),
        saddle=np.tile(saddle, len(cells)),
        prefactor=np.tile(prefactor, len(cells)),
        excluded=excluded,
    )


def ewald_potential(cell: np.ndarray, r: np.ndarray) -> np.ndarray:
    """Tinfoil potential of a unit charge and its images in a background, (m,), 1/Å; at r = 0 without itself."""
    volume = abs(np.linalg.det(cell))
    alpha = np.sqrt(np.pi) / volume ** (1 / 3)
    reciprocal = 2 * np.pi * np.linalg.inv(cell).T
    reach = 6.5
    shells = np.ceil(reach / alpha * np.linalg.norm(reciprocal, axis=1) / (2 * np.pi)).astype(int) + 1
    waves = np.ceil(2 * alpha * reach * np.linalg.norm(cell, axis=1) / (2 * np.pi)).astype(int)
    potential = np.full(len(r), -np.pi / (alpha**2 * volume))
    for n in itertools.product(*(range(-m, m + 1) for m in shells)):
        distance = np.linalg.norm(r + n @ cell, axis=1)
        away = distance > 1e-9
        potential[away] += erfc(alpha * distance[away]) / distance[away]
        potential[~away] -= 2 * alpha / np.sqrt(np.pi)
    k = np.array([m for m in itertools.product(*(range(-w, w + 1) for w in waves)) if any(m)]) @ reciprocal
    k2 = (k**2).sum(axis=1)
    return potential + np.cos(r @ k.T) @ (4 * np.pi / volume * np.exp(-k2 / (4 * alpha**2)) / k2)


def coulomb_pairs(cells: Supercell, bjerrum_length: float) -> np.ndarray:
    """Pair energies q_a q_b l_B psi_ab of all sites, (N, N), kT; an ion does not meet its own images."""
    N = len(cells.position)
    r = (cells.position[:, None] - cells.position[None]).reshape(-1, 3)
    psi = ewald_potential(cells.cell, r).reshape(N, N)
    pairs = bjerrum_length * np.outer(cells.charge, cells.charge) * psi
    pairs[cells.excluded] = 0.0
    return pairs


def contact_pairs(cells: Supercell, distance: float, energy: float) -> np.ndarray:
    """Pair energies of neighbours at one distance, once per periodic image there, (N, N), kT."""
    pairs = np.zeros((len(cells.position),) * 2)
    difference = cells.position[None] - cells.position[:, None]
    for n in itertools.product((-1, 0, 1), repeat=3):
        length = np.linalg.norm(difference + n @ cells.cell, axis=2)
        pairs += energy * (np.abs(length - distance) < 1e-6)
    np.fill_diagonal(pairs, 0.0)
    return pairs


@dataclass(frozen=True)
class MasterEquation:
    """All configurations of some groups of ions and all hops between them.

    probability, energy : per configuration
    occupied : (n_states, N) bool
    source, sink, rate : per hop between configurations
    displacement : (n_hops, n_groups, 3), Å
    """

    probability: np.ndarray
    energy: np.ndarray
    occupied: np.ndarray
    source: np.ndarray
    sink: np.ndarray
    rate: np.ndarray
    displacement: np.ndarray

    def generator(self) -> sparse.csr_array:
        n = len(self.probability)
        jumps = sparse.coo_array((self.rate, (self.source, self.sink)), shape=(n, n)).tocsr()
        return jumps - sparse.diags_array(jumps.sum(axis=1))

    def uncorrelated(self) -> np.ndarray:
        """½ Σ p w ΔR_i ΔR_j, the matrix that `transport` would give if no hop remembered another, (3g, 3g)."""
        d = self.displacement.reshape(-1, self.displacement[0].size)
        return 0.5 * (d.T * (self.probability[self.source] * self.rate)) @ d

    def transport(self) -> tuple[np.ndarray, np.ndarray]:
        """The matrix L = lim <ΔR_i ΔR_j> / 2t of the groups, (3g, 3g), and the transient's end value C.

        <ΔR_i ΔR_j> / 2t = L + C/t at times long against the relaxation, C = Σ p x_i x_j with -W x = b.
        """
        n, width = len(self.probability), self.displacement[0].size
        d = self.displacement.reshape(-1, width)
        root = np.sqrt(self.probability)
        bias = np.zeros((n, width))
        np.add.at(bias, self.source, self.rate[:, None] * d)
        rhs = root[:, None] * bias
        W = self.generator()
        A = -sparse.diags_array(root) @ W @ sparse.diags_array(1 / root)
        A = 0.5 * (A + A.T)
        if n <= _DENSE:
            x = cho_solve(cho_factor(A.toarray() + np.outer(root, root)), rhs)
        else:
            x = np.zeros_like(rhs)
            for column in np.flatnonzero(np.abs(rhs).max(axis=0) > 1e-13):
                x[:, column], failed = cg(A, rhs[:, column], rtol=1e-12, atol=0.0)
                if failed:
                    raise RuntimeError("conjugate gradients did not converge")
            x -= np.outer(root, root @ x)
        return self.uncorrelated() - rhs.T @ x, x.T @ x

    def relaxation_time(self) -> float:
        """Inverse of the smallest non-zero eigenvalue of the generator."""
        root = np.sqrt(self.probability)
        A = (-sparse.diags_array(root) @ self.generator() @ sparse.diags_array(1 / root)).toarray()
        return float(1 / np.linalg.eigvalsh(0.5 * (A + A.T))[1])

    def memory(self, time: float) -> float:
        """Share of the transient C of the first group along x that is still to come after `time`."""
        root = np.sqrt(self.probability)
        W = self.generator()
        A = (-sparse.diags_array(root) @ W @ sparse.diags_array(1 / root)).tocsr()
        bias = np.zeros(len(root))
        np.add.at(bias, self.source, self.rate * self.displacement[:, 0, 0])
        x, _ = cg(A, root * bias, rtol=1e-10)
        return float(x @ expm_multiply(-A * time, x) / (x @ x))

    def drift(self) -> np.ndarray:
        """Mean velocity of every group in the stationary state of rates that need not balance, (g, 3)."""
        n = len(self.probability)
        A = self.generator().T.tolil()
        A[n - 1] = 1.0
        rhs = np.zeros(n)
        rhs[-1] = 1.0
        p = spsolve(A.tocsc(), rhs)
        return np.tensordot(p[self.source] * self.rate, self.displacement, axes=1)


def _configurations(cells: Supercell, groups: list[tuple[int, int]]) -> list[tuple[tuple[int, ...], ...]]:
    found: list[tuple[tuple[int, ...], ...]] = [()]
    for species, count in groups:
        own = np.flatnonzero(cells.species == species)
        longer = []
        for start in found:
            taken = [s for group in start for s in group]
            free = [s for s in own if not cells.excluded[s, taken].any()]
            longer += [
                (*start, sites)
                for sites in itertools.combinations(free, count)
                if not any(cells.excluded[a, b] for a, b in itertools.combinations(sites, 2))
            ]
        found = longer
    return found


def _hops(cells: Supercell, occupied: np.ndarray) -> tuple[np.ndarray, ...]:
    """All open hops of all configurations: source, sink, hop of the supercell and group that moves.

    `occupied` is (n_groups, n_states, N); a configuration is found again by the integer that has its bits.
    """
    used = occupied.any(axis=1)
    if used.sum() > 62:
        raise ValueError(
            f"sites, counted for every group, must be at most 62, the bits of an integer; got {used.sum()}"
        )
    bit = np.zeros(used.shape, np.int64)
    bit[used] = 1 << np.arange(used.sum())
    code = np.einsum("gks,gs->k", occupied, bit)
    order = np.argsort(code)
    in_the_way = occupied.sum(axis=0) @ cells.excluded.T.astype(np.int64)
    found = []
    for h, (a, b) in enumerate(zip(cells.origin, cells.target, strict=True)):
        room = in_the_way[:, b] == cells.excluded[b, a]  # the ion itself is not in its way
        for g in range(len(occupied)):
            source = np.flatnonzero(room & (occupied[g, :, a] == 1))
            after = code[source] - bit[g, a] + bit[g, b]
            sink = order[np.searchsorted(code, after, sorter=order)]
            found.append((source, sink, np.full(len(source), h), np.full(len(source), g)))
    return tuple(np.concatenate(column) for column in zip(*found, strict=True))


def master_equation(
    cells: Supercell,
    groups: list[tuple[int, int]],
    *,
    pairs: np.ndarray | None = None,
    nu: float = 1.0,
    force: np.ndarray | None = None,
) -> MasterEquation:
    """Enumerate the configurations of groups of ions, each (species, count), and all hops between them.

    A tagged ion is a group of one. Barriers are E_b = max(0, ΔE, E_KRA + ΔE/2) with ΔE the difference of total
    energies less the work of `force` (kT/Å on every ion), the rate is nu exp(-E_b).
    """
    states = _configurations(cells, groups)
    occupied = np.zeros((len(groups), len(states), len(cells.position)), np.int64)
    for k, state in enumerate(states):
        for g, group in enumerate(state):
            occupied[g, k, list(group)] = 1
    present = occupied.sum(axis=0)
    energy = present @ cells.energy
    if pairs is not None:
        energy += 0.5 * np.einsum("ci,ci->c", present @ pairs, present) - 0.5 * present @ np.diag(pairs)

    source, sink, hop, mover = _hops(cells, occupied)
    work = cells.vector @ force if force is not None else np.zeros(len(cells.vector))
    bottom = cells.energy - cells.entropy
    kra = cells.saddle - 0.5 * (bottom[cells.origin] + bottom[cells.target])
    gained = (cells.entropy[cells.target] - cells.entropy[cells.origin])[hop]
    change = energy[sink] - energy[source] - work[hop] - gained
    barrier = np.maximum(np.maximum(change, 0.0), kra[hop] + 0.5 * change)
    displacement = np.zeros((len(hop), len(groups), 3))
    displacement[np.arange(len(hop)), mover] = cells.vector[hop]
    weight = np.exp(-(energy - energy.min()))
    return MasterEquation(
        probability=weight / weight.sum(),
        energy=energy,
        occupied=present.astype(bool),
        source=source,
        sink=sink,
        rate=nu * cells.prefactor[hop] * np.exp(-barrier),
        displacement=displacement,
    )


@dataclass(frozen=True)
class Diffusivities:
    """Of one species: D_J, D* and D_unc, Å²/s, and the end values of the transients of the first two, Å²."""

    collective: float
    tracer: float
    uncorrelated: float
    collective_transient: float
    tracer_transient: float


def diffusivities(
    cells: Supercell, n_ions: int, *, dimensions: int = 3, pairs: np.ndarray | None = None, nu: float = 1.0
) -> Diffusivities:
    """D_J, D* and D_unc of `n_ions` of species 0, averaged over the first `dimensions` axes.

    A block of length t has the mean of |ΔR|² / (2 d t) equal to D + C/t once t exceeds the relaxation.
    """
    gas = master_equation(cells, [(0, 1), (0, n_ions - 1)], pairs=pairs, nu=nu)
    L, C = gas.transport()
    axes = np.arange(dimensions)

    def total(M: np.ndarray) -> float:
        return float(sum(M[a + 3 * i, a + 3 * j] for a in axes for i in (0, 1) for j in (0, 1)))

    def tagged(M: np.ndarray) -> float:
        return float(sum(M[a, a] for a in axes))

    return Diffusivities(
        total(L) / (n_ions * dimensions),
        tagged(L) / dimensions,
        total(gas.uncorrelated()) / (n_ions * dimensions),
        total(C) / (n_ions * dimensions),
        tagged(C) / dimensions,
    )
