"""Energies, barriers and prefactors given by the user, in networks of both kinds of rates."""

import dataclasses

import numpy as np
import pytest
from lattices import chain, ion, network_of
from random_network import random_network

from analysis.network_exact import single_particle_diffusivity
from lattice.overrides import HopOverride, SiteOverride, override_network
from lattice.temperatures import temperature_nodes
from structures.errors import InputError
from structures.units import BOLTZMANN

NU = 1e12
TEMPERATURES = (230.0, 300.0, 450.0)


def zigzag():
    """Sites a (0 eV, orbit 0) and b (0.1 eV, orbit 1) along x, 1 Å apart, saddles 0.4 and 0.5 eV (orbits 0, 1)."""
    network = chain(np.array([0.0, 0.1]), np.array([0.4, 0.5]))
    return dataclasses.replace(network, site_label=("a", "b"), percolation=np.array([[0.5, np.nan, np.nan]]))


def landscape_rates():
    """The same with partition functions and conductances that depend on temperature, 1/s."""
    temperatures = temperature_nodes(200.0, 500.0, 16)
    beta = 1 / (BOLTZMANN * temperatures)
    Z = np.array([2.0 * temperatures**1.5 * np.exp(-beta * 0.0), 3.0 * temperatures**1.5 * np.exp(-beta * 0.1)])
    C = np.array([1e9 * temperatures**1.5 * np.exp(-beta * saddle) for saddle in (0.4, 0.5)])
    network = zigzag()
    return dataclasses.replace(
        network,
        rate_model="flux_tst",
        temperatures=temperatures,
        site_log_partition=np.log(Z),
        hop_log_conductance=np.log(C)[network.hop_orbit],
    )


def rate_constants(network, T, nu=1.0):
    """k of every hop from ln Z and ln C, 1/s, without the tables of the engine."""
    at = int(np.abs(network.temperatures - T).argmin())
    assert network.temperatures[at] == T
    log_k = network.hop_log_conductance[:, at] - network.site_log_partition[network.hop_origin, at]
    return nu * np.exp(log_k)


@pytest.mark.parametrize("make", [zigzag, landscape_rates])
def test_a_site_energy_leaves_the_ways_in_as_they_are(make):
    """Lowering b by 0.05 eV makes leaving it slower by exp(0.05/kT); entering it, over the same saddles, stays."""
    network = make()
    lower = override_network(network, [SiteOverride("A", 0.05, label="b")])
    assert lower.site_energy.tolist() == [0.0, 0.05]
    assert lower.site_overridden.tolist() == [False, True]
    assert not lower.hop_overridden.any()
    assert (lower.hop_saddle == network.hop_saddle).all()
    leaving = network.hop_origin == 1
    for T in network.temperatures:
        ratio = rate_constants(lower, T) / rate_constants(network, T)
        expected = np.where(leaving, np.exp(-0.05 / (BOLTZMANN * T)), 1.0)
        assert ratio == pytest.approx(expected, rel=1e-12)


def test_a_barrier_counts_from_the_first_label_or_from_the_deeper_end():
    """0.3 eV from b, at 0.1 eV, is a saddle at 0.4 eV; by orbit or with the labels in the other order it is at 0.3."""
    network = zigzag()
    high = override_network(network, [HopOverride("A", labels=("b", "a"), barrier=0.3)])
    assert high.hop_saddle == pytest.approx(0.4)
    assert high.hop_overridden.all()
    assert override_network(network, [HopOverride("A", labels=("a", "b"), barrier=0.3)]).hop_saddle == pytest.approx(
        0.3
    )
    one = override_network(network, [HopOverride("A", orbit=1, barrier=0.3)])
    assert one.hop_saddle == pytest.approx(np.where(network.hop_orbit == 1, 0.3, 0.4))
    assert one.hop_overridden.tolist() == (network.hop_orbit == 1).tolist()
    assert one.percolation[0, 0] == pytest.approx(0.4)


@pytest.mark.parametrize("make", [zigzag, landscape_rates])
def test_a_barrier_keeps_the_prefactor(make):
    network = make()
    changed = override_network(network, [HopOverride("A", orbit=0, barrier=0.22)])
    for T in network.temperatures:
        ratio = rate_constants(changed, T) / rate_constants(network, T)
        expected = np.where(network.hop_orbit == 0, np.exp((0.4 - 0.22) / (BOLTZMANN * T)), 1.0)
        assert ratio == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("make", "unit"), [(zigzag, NU), (landscape_rates, 1.0)])
def test_a_prefactor_is_the_geometric_mean_of_both_ways_at_every_temperature(make, unit):
    """k_ab k_ba exp((2 E_saddle - E_a - E_b)/kT) = nu²."""
    network = make()
    given = HopOverride("A", orbit=0, barrier=0.35, prefactor=7e12)
    changed = override_network(network, [given], attempt_frequency=unit if unit > 1 else None)
    hop = int(np.flatnonzero(network.hop_orbit == 0)[0])
    for T in network.temperatures:
        k = rate_constants(changed, T, unit)
        mean = np.sqrt(k[hop] * k[network.hop_reverse[hop]]) * np.exp((0.35 - 0.05) / (BOLTZMANN * T))
        assert mean == pytest.approx(7e12, rel=1e-12)


def test_one_prefactor_and_barrier_for_all_hops_give_the_chain_in_closed_form():
    """D = L² k_ab k_ba / (k_ab + k_ba)/... : for a chain with saddles all at S, D = d² nu exp(-S/kT) / mean of Z."""
    overrides = [
        SiteOverride("A", -0.05, orbit=1),
        HopOverride("A", orbit=0, barrier=0.45),
        HopOverride("A", labels=("b", "a"), prefactor=3e12),
    ]
    with pytest.raises(InputError, match="labels b and a and hop override of A, orbit 0 must be for different orbits"):
        override_network(zigzag(), overrides, attempt_frequency=NU)
    overrides[1:] = [HopOverride("A", labels=("a", "b"), barrier=0.4, prefactor=3e12)]
    network = override_network(zigzag(), overrides, attempt_frequency=NU)
    for T in TEMPERATURES:
        beta = 1 / (BOLTZMANN * T)
        expected = 3e12 * np.exp(-0.4 * beta) / np.mean([1.0, np.exp(0.05 * beta)])
        assert single_particle_diffusivity(network, 0, T, NU)[0, 0] == pytest.approx(expected, rel=1e-10)


def test_detailed_balance_is_exact_after_any_override():
    """Z_i k_ij = Z_j k_ji to the last bit, for every hop of a network with everything in it."""
    network = random_network()
    network = dataclasses.replace(network, site_label=tuple(f"s{n % 3}" for n in range(network.n_sites)))
    ends = [network.site_label[network.hop_origin[0]], network.site_label[network.hop_target[0]]]
    changed = override_network(
        network,
        [
            SiteOverride("A+", -0.2, label="s1"),
            SiteOverride("C2+", -0.1, label="s2"),
            HopOverride("A+", labels=(ends[0], ends[1]), barrier=0.5, prefactor=1e13),
        ],
        attempt_frequency=NU,
    )
    assert changed.hop_overridden.any()
    assert (changed.hop_log_conductance == changed.hop_log_conductance[changed.hop_reverse]).all()
    assert (changed.hop_saddle == changed.hop_saddle[changed.hop_reverse]).all()


def test_every_override_is_printed_and_marked():
    network = override_network(
        landscape_rates(),
        [SiteOverride("A", 0.2, orbit=1), HopOverride("A", labels=("b", "a"), barrier=0.4, prefactor=1e13)],
    )
    lines = network.provenance[1:]
    assert lines[0] == "override: A sites of orbit 1 (b, 1 per cell): energy 0.1000 -> 0.2000 eV"
    assert lines[1].startswith(
        "override: A hops of orbit 0 (b to a, 1 per cell): barrier 0.2000 -> 0.4000 eV, prefactor "
    )
    assert lines[1].endswith("-> 1e+13 /s")
    assert lines[3] == "override: percolation energies of A: 1D 0.5000 -> 0.6000, 2D nan -> nan, 3D nan -> nan eV"
    assert len(lines) == 4
    assert override_network(network, []) is network


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (lambda: SiteOverride("B", 0.1, orbit=0), "species must be one of A; got B"),
        (lambda: SiteOverride("A", 0.1, orbit=7), "orbit must be one of 0, 1; got 7"),
        (lambda: SiteOverride("A", 0.1, label="B"), r"label must be one of a, b; got B; did you mean b\?"),
        (lambda: SiteOverride("A", 0.1), "must name one of orbit or label; got neither"),
        (lambda: SiteOverride("A", 0.1, orbit=0, label="a"), "got orbit and label"),
        (lambda: SiteOverride("A", np.inf, orbit=0), "energy must be finite; got inf"),
        (
            lambda: SiteOverride("A", 0.45, orbit=1),
            "must not exceed the saddle of hop orbit 0 at 0.4000 eV; got 0.4500",
        ),
        (lambda: HopOverride("A", orbit=0), "must give a barrier, a prefactor or both"),
        (lambda: HopOverride("A", orbit=0, barrier=-0.1), "barrier must not be negative; got -0.1"),
        (lambda: HopOverride("A", orbit=0, prefactor=0.0), "prefactor must be positive; got 0.0"),
        (lambda: HopOverride("A", labels=("a", "c"), barrier=0.1), "label must be one of a, b; got c"),
        (lambda: HopOverride("A", labels=("a", "a"), barrier=0.1), "no hop joins these labels; hops join a - b"),
        (lambda: HopOverride("A", orbit=0, barrier=0.05), r"hop orbit 0 at 0.0500 eV and b \(orbit 1\) at 0.1000 eV"),
        (lambda: HopOverride("A", orbit=0, prefactor=1e12), "relative to the attempt frequency of the run"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(override, message):
    with pytest.raises(InputError, match=message) as caught:
        override_network(zigzag(), [override()])
    assert "\n" not in str(caught.value)


def test_an_orbit_of_another_species_is_refused():
    two = network_of(np.eye(3), np.zeros((1, 3)), [(0, 0, (1, 0, 0))], species=[ion("Li+"), ion("Na+")])
    with pytest.raises(InputError, match="site override of Na\\+, orbit 0: orbit must be one of 1; got 0"):
        override_network(two, [SiteOverride("Na+", 0.0, orbit=0)])
    with pytest.raises(InputError, match="hop override of Li\\+, orbit 1: orbit must be one of 0; got 1"):
        override_network(two, [HopOverride("Li+", orbit=1, barrier=0.1)])
