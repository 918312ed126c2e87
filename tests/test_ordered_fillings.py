"""Order of the ions: exact peaks of lattices, and the repulsive lattice gas by the engine, VERIFICATION §6."""

import itertools
from functools import lru_cache

import numpy as np
import pytest
from exact import contact_pairs, master_equation, supercell
from lattices import BARRIER, TEMPERATURE, simple_cubic, square
from replicas import z_score
from synthetic import record

from analysis.campaign import Run, open_run
from analysis.conductivity import collective_slope
from analysis.frames import Trajectory
from analysis.loading import optimum_loading
from analysis.occupation import Occupation, OrbitOccupation
from analysis.ordered_fillings import OrderedFillings, fillings_of_run, ordered_fillings
from analysis.statistics import Interval
from analysis.structure_factor import structure_factor
from kmc.placement import place_ions
from kmc.simulation import Simulation
from kmc.trajectory import TaskLabel, task_record, write_task
from lattice.supercell import PairEnergies, replicate
from structures.errors import InputError

NU = np.exp(BARRIER)
REPEATS = (4, 4, 1)
U = 2.0  # kT
UNTIL, N_SAMPLES, N_REPLICAS = 600.0, 600, 4


def trajectory(positions, cell, repeats):
    place = np.asarray(positions, float)
    made = Trajectory.from_arrays(
        place,
        time_step_s=1.0,
        species=["A"] * place.shape[1],
        charges=np.ones(place.shape[1]),
        cell_A=cell,
        temperature_K=300,
    )
    return made, repeats


def peaks(positions, cell, repeats):
    made, cells = trajectory(positions, cell, repeats)
    return structure_factor([made], "A", repeats=cells)


def chequerboard(n):
    grid = np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    return grid[grid.sum(axis=1) % 2 == 0]


def test_a_chequerboard_has_one_peak_of_full_height():
    """Every ion in phase: S = N at the zone corner, 0 elsewhere; whole cells of displacement change nothing."""
    ions = chequerboard(4)
    moved = ions + 4 * np.random.default_rng(1).integers(-2, 3, size=ions.shape)
    found = peaks(np.array([ions, moved]), 4 * np.eye(3), (4, 4, 4))
    assert tuple(abs(c) % 1 for c in found.peak_vector) == (0.5, 0.5, 0.5)
    assert found.value.max() == pytest.approx(len(ions))
    assert found.order_parameter == pytest.approx(1.0)
    corners = (np.abs(found.index / 4) % 1 == 0.5).all(axis=1)
    assert np.abs(found.value[~corners]).max() < 1e-20
    assert found.ordered
    assert found.wave_number[found.peak] == pytest.approx(np.pi * np.sqrt(3))


def test_a_skew_cell_has_wave_numbers_of_its_reciprocal_lattice():
    cell = np.array([[4.0, 0, 0], [1.0, 5.0, 0], [0.5, 0.2, 6.0]])
    found = peaks(np.zeros((1, 1, 3)), cell, (2, 2, 2))
    wanted = 2 * np.pi * np.linalg.norm(found.index @ np.linalg.inv(cell).T, axis=1)
    assert found.wave_number == pytest.approx(wanted)
    assert found.value == pytest.approx(1.0)


def test_ions_at_random_are_not_ordered():
    """The mean over k of N ions on N_s sites is (N_s - N)/(N_s - 1); a peak by chance is called one."""
    rng, sites, calls = np.random.default_rng(2), np.stack(np.meshgrid(*[np.arange(4)] * 3), axis=-1).reshape(-1, 3), []
    for _ in range(100):
        found = peaks([sites[rng.permutation(64)[:20]]], 4 * np.eye(3), (4, 4, 4))
        calls.append((found.ordered, found.chance, found.value.mean()))
    ordered, chance, mean = np.array(calls).T
    assert ordered.sum() <= 3
    assert np.mean(chance < 0.05) <= 0.12
    assert mean.mean() == pytest.approx(44 / 63, rel=0.02)


def test_what_has_no_superlattice_is_refused():
    with pytest.raises(InputError, match="supercell of several cells"):
        peaks(np.zeros((1, 1, 3)), np.eye(3), (1, 1, 1))
    with pytest.raises(InputError, match="expected one of A"):
        structure_factor([trajectory(np.zeros((1, 1, 3)), np.eye(3), 0)[0]], "B", repeats=(2, 1, 1))


@lru_cache(maxsize=1)
def repulsive_lattice():
    network = square(saddle=BARRIER)
    interaction = PairEnergies.within(network, 1.01, lambda distance, charges: U + 0.0 * distance)
    return network, replicate(network, REPEATS, interaction=interaction)


@lru_cache(maxsize=16)
def engine(n):
    """Displacements and positions of n ions on the 4 × 4 lattice, one of each per replica."""
    _, lattice = repulsive_lattice()
    site = supercell(lattice.network, REPEATS).position
    paths, places = [], []
    for stream in np.random.SeedSequence(700 + n).spawn(N_REPLICAS):
        state = place_ions(lattice, {"A": n}, np.random.default_rng(stream), temperature=TEMPERATURE)
        simulation = Simulation(lattice, state, temperature=TEMPERATURE, attempt_frequency=NU)
        simulation.equilibrate(200)
        samples = simulation.run(UNTIL, N_SAMPLES, frame_every=5)
        paths.append(samples.displacement.sum(axis=1))
        places.append(site[samples.frames.site])
    return paths, places


def optimum_of_the_engine():
    slopes = [collective_slope(engine(n)[0], UNTIL / N_SAMPLES) for n in range(1, 16)]
    return optimum_loading(
        np.arange(1, 16) / 16,
        [s.replica for s in slopes],
        rng=np.random.default_rng(8),
        relative_error=[s.slope.log_error for s in slopes],
    )


def test_engine_two_maxima_with_an_ordered_filling_between():
    """The exact maxima are at 4/16 and 12/16, the minimum at half filling lies a factor of 13.5 below them, |z| < 4."""
    found = optimum_of_the_engine()
    assert len(found.maxima) == 2
    for interval, exact in zip(found.intervals, (0.25, 0.75), strict=True):
        assert interval.lo - 0.03 <= exact <= interval.hi + 0.03
    assert found.minima == (0.5,)
    half = structure_factor([plane(p) for p in engine(8)[1]], "A", repeats=REPEATS)
    quarter = structure_factor([plane(p) for p in engine(4)[1]], "A", repeats=REPEATS)
    (filling,) = ordered_fillings(found, TEMPERATURE, structure={0.5: [half], 0.25: [quarter]})
    assert filling.loading == 0.5
    assert abs(np.log(filling.dip.value / (0.153320 / 0.011346))) < 4 * filling.dip.log_error
    assert filling.dip.log_error < 0.25
    assert tuple(abs(c) % 1 for c in filling.peak.peak_vector) == (0.5, 0.5, 0.0)
    assert "superlattice peak of A" in filling.statement
    assert not quarter.ordered


def test_engine_structure_factor_of_half_filling():
    """<|Σ exp(-i k·r)|²>/N at the zone corner against the sum over all 12870 configurations."""
    network, _ = repulsive_lattice()
    cells = supercell(network, REPEATS)
    gas = master_equation(cells, [(0, 8)], pairs=contact_pairs(cells, 1.0, U), nu=NU)
    occupied = np.asarray(gas.occupied, float).reshape(len(gas.probability), -1)
    sign = np.where(cells.position[:, :2].round().sum(axis=1) % 2 == 0, 1.0, -1.0)
    exact = gas.probability @ (occupied @ sign) ** 2 / 8
    found = structure_factor([plane(p) for p in engine(8)[1]], "A", repeats=REPEATS)
    assert abs(z_score(found.replica[:, found.peak], exact)) < 4
    assert found.order_parameter == pytest.approx(np.sqrt(exact / 8), abs=0.02)


def plane(positions):
    return trajectory(positions, np.diag([4.0, 4.0, 5.0]), REPEATS)[0]


def row(orbit, value, species="Li+", x=0.5):
    interval = Interval(value, value, value)
    return OrbitOccupation(x, 300.0, species, orbit, "N", 4, interval, interval, 0.5, 3)


def test_orbits_that_are_full_and_empty():
    """Only a species all of whose orbits are one or the other counts, and only at the loading itself."""
    x = np.linspace(0, 1, 5)
    flat = optimum_loading(x, [[1.0 + x, 1.02 + x] for x in x], rng=np.random.default_rng(1))
    rows = (row(0, 0.97), row(1, 0.02), row(2, 0.3, "Me2NH2+"), row(3, 0.95, "Me2NH2+"))
    (filling,) = ordered_fillings(flat, 300.0, occupation=Occupation("x", rows, ()))
    assert (filling.loading, filling.full, filling.empty) == (0.5, ("Li+ N (0)",), ("Li+ N (1)",))
    assert np.isnan(filling.dip.value)
    assert filling.statement == "0.5, 300 K: ordered filling: full: Li+ N (0); empty: Li+ N (1)"
    table = OrderedFillings(300.0, flat, (filling,), {}, ()).to_frame()
    assert table["full"].tolist() == ["Li+ N (0)"]
    partly = (row(0, 0.97), row(1, 0.3))
    assert ordered_fillings(flat, 300.0, occupation=Occupation("x", partly, ())) == ()
    assert ordered_fillings(flat, 300.0) == ()


def test_a_run_on_disk(tmp_path):
    """Free ions: no order at any loading, with the structure factor of the species that is there."""
    network = simple_cubic()
    lattice = replicate(network, (3, 3, 3), interaction=None)
    (tmp_path / "tasks").mkdir()
    network.save(tmp_path / "network.h5")
    for x, replica in itertools.product((0.25, 0.5, 0.75), (1, 2)):
        rng = np.random.default_rng([9, replica])
        state = place_ions(lattice, {"A": round(24 * x)}, rng, temperature=TEMPERATURE)
        simulation = Simulation(lattice, state, temperature=TEMPERATURE, attempt_frequency=1.0)
        samples = simulation.run(100.0, 100, frame_every=5)
        label = TaskLabel(f"x{x}_r{replica}", 9, x, "x", replica, network.content_hash, "")
        record = task_record(simulation, samples, label)
        write_task(tmp_path / "tasks" / f"{label.key}.h5", record, frames=samples.frames)
    found = fillings_of_run(open_run(tmp_path), 300.0)
    assert sorted(found.structure) == [0.25, 0.5, 0.75]
    assert [(s.species, s.n_ions, len(s.replica)) for s in found.structure[0.5]] == [("A", 12, 2)]
    assert found.fillings == ()
    assert found.to_frame().empty
    assert found.plot() is not None


@pytest.mark.parametrize(
    ("loadings", "n_replicas", "message"),
    [((0.25, 0.5, 0.75), 1, "300 K: expected two replicas or more"), ((0.25, 0.5), 2, "at least 3 ascending loadings")],
)
def test_a_scan_without_an_optimum_is_refused_in_one_line(tmp_path, loadings, n_replicas, message):
    ions = {x: {"Li+": (round(8 * x), 1.0)} for x in loadings}
    tasks = tuple(record(x, 300.0, r, ions=ions[x], n_steps=300) for x in loadings for r in range(n_replicas))
    with pytest.raises(InputError, match=message) as refused:
        Run(tmp_path, tasks, None, "", ()).ordered_fillings(300.0)
    assert "\n" not in str(refused.value)
