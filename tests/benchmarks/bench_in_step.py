"""Does it pay to split one event of a very large lattice over threads? Exact, and the same bits for any number of them.

python tests/benchmarks/bench_in_step.py results/ni_mof/network.h5 [--repeats 6 13 19] [--threads 2]

The two parts of an event that grow with the lattice, the streaming update of the site factors and the new rates of all
ions, are split into contiguous shares. The machine must be idle: the best of many trials is printed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numba
import numpy as np
from numba import njit, prange

from kmc import kernels
from kmc.kernels import Ions, Tables, _add_group, _renew_rate
from kmc.state import State
from kmc.tables import Conditions, prepare_tables, workspace
from lattice.network import PoreNetwork
from lattice.supercell import Lattice, replicate

numba.config.THREADING_LAYER = "omp"  # unlike "workqueue" it may be used by several tasks at a time


@njit(nogil=True, error_model="numpy")
def _move_charge_share(factor, interaction, old, new, first, last):
    """Update the factors of the sites in rows `first` to `last` of cells, a row running along the third vector."""
    cell, onto, away = interaction.cell, interaction.gain, interaction.loss
    n1, n2, n3 = np.uint64(interaction.repeats[0]), np.uint64(interaction.repeats[1]), np.uint64(interaction.repeats[2])
    old1, old2, old3, a = np.uint64(cell[old, 0]), np.uint64(cell[old, 1]), np.uint64(cell[old, 2]), cell[old, 3]
    new1, new2, new3, b = np.uint64(cell[new, 0]), np.uint64(cell[new, 1]), np.uint64(cell[new, 2]), cell[new, 3]
    n, zero = np.uint64(len(onto)), np.uint64(0)
    for row in range(np.uint64(first), np.uint64(last)):
        c1, c2, here = row // n2, row % n2, row * n3 * n
        gain1, loss1 = c1 - new1 + (n1 if c1 < new1 else zero), c1 - old1 + (n1 if c1 < old1 else zero)
        gain2 = (gain1 * n2 + c2 - new2 + (n2 if c2 < new2 else zero)) * n3
        loss2 = (loss1 * n2 + c2 - old2 + (n2 if c2 < old2 else zero)) * n3
        for c3 in range(n3):
            gain = (gain2 + c3 - new3 + (n3 if c3 < new3 else zero)) * n
            loss = (loss2 + c3 - old3 + (n3 if c3 < old3 else zero)) * n
            for k in range(n):
                factor[here + k] *= onto[b, gain + k] * away[a, loss + k]
            here += n


@njit(nogil=True, error_model="numpy")
def _rates_share(hops, configuration, movers, first, last):
    for m in range(np.uint64(first), np.uint64(last)):
        _renew_rate(hops, configuration, movers, m)


@njit(parallel=True, nogil=True, error_model="numpy")
def move_charge(factor, interaction, old, new):
    """Do what kernels._move_charge does, on all threads."""
    rows, n = interaction.repeats[0] * interaction.repeats[1], numba.get_num_threads()
    for t in prange(n):
        _move_charge_share(factor, interaction, old, new, rows * t // n, rows * (t + 1) // n)


@njit(parallel=True, nogil=True, error_model="numpy")
def renew_rates(hops, configuration, movers):
    """Do what kernels.renew_rates does, on all threads; the sums are made of the same terms in the same order."""
    tree, level, count, n = movers.tree, movers.level, len(movers.ion), numba.get_num_threads()
    for t in prange(n):
        _rates_share(hops, configuration, movers, count * t // n, count * (t + 1) // n)
    for up in range(1, len(level)):
        count = (count + kernels.ARITY - 1) // kernels.ARITY
        for group in range(count):
            _add_group(tree, level[up - 1], level[up], group)
    return tree[level[-1]]


def scattered(lattice: Lattice, rng: np.random.Generator) -> State:
    """Put two ions of each of the first two species in every cell at random; no energy decides, so it takes no time."""
    network, count = lattice.network, 2 * lattice.n_cells
    site = [rng.choice(np.flatnonzero(lattice.site_species == p), count, replace=False) for p in (0, 1)]
    ion_site = np.concatenate(site).astype(np.int32)
    n_ions = len(ion_site)
    occupant = np.full(lattice.n_sites, -1, np.int32)
    occupant[ion_site] = np.arange(n_ions)
    return State(
        occupant=occupant,
        blocked=(occupant >= 0).astype(np.int16),
        ion_species=np.repeat([0, 1], count).astype(np.int32),
        mobile=np.ones(n_ions, bool),
        ion_site=ion_site,
        ion_image=np.zeros((n_ions, 3), np.int32),
        ion_last_hop=np.full(n_ions, -1, np.int32),
        site_factor=np.ones(lattice.n_sites),
        reference=np.zeros(len(network.species)),
        time=0.0,
        next_time=np.nan,
        n_events=0,
        rng=rng,
    )


def check(tables: Tables, ions: Ions, old: int, new: int, rng: np.random.Generator) -> None:
    """Compare both ways to the last bit."""
    shape = tables.interaction.gain.shape
    interaction = tables.interaction._replace(gain=rng.random(shape) + 0.5, loss=rng.random(shape) + 0.5)
    one = rng.random(len(ions.configuration.factor)) + 0.5
    many = one.copy()
    kernels._move_charge(one, interaction, old, new)
    move_charge(many, interaction, old, new)
    total = kernels.renew_rates(tables.hops, ions.configuration, ions.movers)
    tree = ions.movers.tree.copy()
    assert (one == many).all()
    assert renew_rates(tables.hops, ions.configuration, ions.movers) == total
    assert (tree == ions.movers.tree).all()


def best(call: Callable[[], object], seconds: float) -> float:
    """Least time of a call, s."""
    call()
    least, end = np.inf, time.perf_counter() + seconds
    while time.perf_counter() < end:
        begin = time.perf_counter()
        call()
        least = min(least, time.perf_counter() - begin)
    return least


def main() -> None:
    """Print one line per supercell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network")
    parser.add_argument("--repeats", type=int, nargs="+", default=[6, 13, 19])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args()
    numba.set_num_threads(options.threads)
    network, rng = PoreNetwork.load(options.network), np.random.default_rng(1)
    for n in options.repeats:
        flat = np.zeros((network.n_sites, n, n, n, network.n_sites))  # the time does not depend on the energies
        lattice = replicate(network, (n, n, n), share=lambda build, flat=flat: {"dense": flat})
        tables = prepare_tables(lattice, Conditions(298.15, network.rate_factor, np.zeros(3)), 2**17)
        ions = workspace(scattered(lattice, rng), tables)
        kernels.enter_sites(tables, ions)
        old, new = 0, (lattice.n_cells // 2) * network.n_sites
        check(tables, ions, old, new, rng)
        update = ions.configuration.factor, tables.interaction, old, new
        rates = tables.hops, ions.configuration, ions.movers
        took = [
            1e6 * best(lambda call=call, given=given: call(*given), options.seconds)
            for call, given in (
                (kernels._move_charge, update),
                (move_charge, update),
                (kernels.renew_rates, rates),
                (renew_rates, rates),
            )
        ]
        print(
            f"{n}x{n}x{n}: {lattice.n_sites} sites, {len(ions.movers.ion)} ions: update {took[0]:.0f} µs, on "
            f"{options.threads} threads {took[1]:.0f}; rates {took[2]:.0f} µs, on {options.threads} threads "
            f"{took[3]:.0f}; an event {(took[0] + took[2]) / (took[1] + took[3]):.2f} times as fast"
        )


if __name__ == "__main__":
    main()
