"""Tasks, their keys, their random streams, and what they will take: time, memory, storage, and settings that waste."""

import math

import numpy as np
import pytest
from click.testing import CliRunner
from lattices import APART, TEMPERATURE, network_of, simple_cubic
from random_network import random_network
from small_run import write_small_run

from lattice.network import ATTEMPT_FREQUENCY
from runs import plan_job, trial_run
from runs.cli import main
from runs.composition import Loading
from runs.deck import Scan
from runs.deck_file import read_deck
from runs.job import build_lattice
from runs.lone_ion_memory import LoneIon, lone_ion
from runs.model import build_model
from runs.plan import plan_conditions, plan_tasks
from runs.plan_job import size, wall_seconds
from runs.plan_warnings import screening_length, warnings
from runs.progress import silent
from runs.seeds import stream
from runs.task import Setting
from runs.trial_run import Trial, some_conditions, try_conditions
from structures.errors import InputError
from structures.units import BOLTZMANN

SCAN = Scan.model_validate({"exchange_fractions": (0.0, 0.5), "temperatures_C": (25.0, -40.0), "replicas": 3})


def loading(x: float) -> Loading:
    return Loading("x", x, (x,), {"Li+": 1}, (), {})


def test_every_combination_is_one_task_with_a_readable_key():
    """2 loadings × 2 temperatures × 3 replicas; the first replica of everything comes before any second one."""
    tasks = plan_tasks(plan_conditions([loading(0.0), loading(0.5)], SCAN), SCAN.replicas)
    keys = [task.key for task in tasks]
    assert len(set(keys)) == len(keys) == 12
    assert keys[0] == "x0.0000_T233.15K_r00"
    assert "x0.5000_T298.15K_r02" in keys
    assert [task.replica for task in tasks] == [0] * 4 + [1] * 4 + [2] * 4


def test_two_tasks_of_one_name_are_refused():
    """Their files and their random numbers would be the same."""
    with pytest.raises(InputError, match=r"found 2 tasks named x0\.5000_T233\.15K"):
        plan_conditions([loading(0.5), loading(0.50001)], SCAN)


def test_a_stream_depends_on_seed_and_key_alone():
    first = stream(1, "x0.5000_T298.15K_r00").random(4)
    assert (first == stream(1, "x0.5000_T298.15K_r00").random(4)).all()
    others = [stream(2, "x0.5000_T298.15K_r00"), stream(1, "x0.5000_T298.15K_r01"), stream(1, "")]
    assert all((first != other.random(4)).all() for other in others)


def test_streams_are_not_correlated():
    """Means of 100 streams scatter like 1/sqrt(12 n): z of the grand mean and χ² of the single ones."""
    n, streams = 1000, 100
    means = np.array([stream(7, f"task {i}").random(n).mean() for i in range(streams)])
    z = (means - 0.5) * np.sqrt(12 * n)
    assert abs(z.sum() / np.sqrt(streams)) < 4
    assert abs((z**2).sum() - streams) < 4 * np.sqrt(2 * streams)


def test_the_time_on_many_cores():
    """Longest first: 5, 4, 3, 3, 3 on two slots are 5 + 3 and 4 + 3 + 3; on nine slots the longest one counts."""
    tasks = [3.0, 5.0, 3.0, 4.0, 3.0]
    assert [wall_seconds(tasks, slots) for slots in (1, 2, 9)] == [18.0, 10.0, 5.0]
    assert wall_seconds([1.0] * 1000, 64) == 16.0
    assert wall_seconds([], 4) == 0.0


@pytest.mark.parametrize(("n_bytes", "text"), [(512, "0 KiB"), (3 << 20, "3.0 MiB"), (5 << 29, "2.5 GiB")])
def test_sizes_are_written_as_a_user_reads_them(n_bytes, text):
    assert size(n_bytes) == text


@pytest.mark.parametrize("saddles", [(3.0, 5.0), (2.0, 2.5)])
def test_memory_on_a_chain_of_two_barriers(saddles):
    """The drift d (k1 - k2) changes its sign from site to site, and its mean decays as exp(-2 (k1 + k2) t)."""
    chain = network_of(
        np.diag([2.0, APART, APART]), np.array([[0.0, 0, 0], [0.5, 0, 0]]), [(0, 1, (0, 0, 0)), (1, 0, (1, 0, 0))],
        saddle=saddles,
    )  # fmt: skip
    k1, k2 = np.exp(-np.array(saddles))
    assert lone_ion(chain, 0, TEMPERATURE, 1.0).memory == pytest.approx(1 / (2 * (k1 + k2)), rel=1e-9)
    assert lone_ion(chain, 0, TEMPERATURE, 1e12).memory == pytest.approx(1e-12 / (2 * (k1 + k2)), rel=1e-9)


def test_an_ion_on_equal_hops_remembers_nothing():
    assert lone_ion(simple_cubic(), 0, TEMPERATURE, 1.0).memory == 0.0


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_memory_of_a_random_network_by_its_eigenvalues(seed):
    """<b exp(Wt) b> = Σ c_n exp(-λ_n t), with c_n from the eigenvectors of the symmetric form of W."""
    network = random_network(seed)
    T = 500.0
    kT, rates = BOLTZMANN * T, network.rates(T)
    origin, target = network.hop_origin, network.hop_target
    top = network.site_energy[[origin, target]].max(axis=0)
    barrier = np.maximum(network.hop_saddle, top) - network.site_energy[origin]
    k = rates.prefactor * np.exp(-barrier / kT)
    for species in range(len(network.species)):
        sites = np.flatnonzero(network.site_species == species)
        mine = network.site_species[origin] == species
        p = np.exp(-rates.free_energy[sites] / kT)
        W, b = np.zeros((len(sites), len(sites))), np.zeros((len(sites), 3))
        np.add.at(W, (origin[mine] - sites[0], target[mine] - sites[0]), k[mine])
        np.add.at(b, origin[mine] - sites[0], k[mine, None] * network.hop_vector[mine])
        W -= np.diag(W.sum(axis=1))
        root = np.sqrt(p)
        values, vectors = np.linalg.eigh(root[:, None] * W / root)
        weight = ((vectors.T @ (root[:, None] * b)) ** 2).sum(axis=1)
        slow = weight > 1e-18 * weight.max(initial=0)
        slow &= values < -1e-9 * np.abs(values).max()
        expected = (weight[slow] / values[slow] ** 2).sum() / (weight[slow] / -values[slow]).sum()
        assert lone_ion(network, species, T, 1.0).memory == pytest.approx(expected, rel=1e-6)


def test_the_screening_length_of_salt_water():
    """0.304 nm / sqrt(M) for a salt of two charges ±1 in water at 25 °C (Israelachvili, 3rd ed., eq. 14.37)."""
    length = screening_length({"Na+": 1, "Cl-": 1}, {"Na+": 1.0, "Cl-": -1.0}, 78.5, 1660.54, 298.15)
    assert length == pytest.approx(3.04, rel=0.01)
    assert screening_length({}, {}, 78.5, 1000.0, 300.0) == math.inf


def test_the_conditions_that_are_tried_span_the_scan():
    """First and last loading are among them, cold and hot ones in turn."""
    loadings = [loading(x / 10) for x in range(11)]
    chosen = some_conditions(plan_conditions(loadings, SCAN))
    assert [condition.loading.value for condition in chosen] == [0.0, 0.2, 0.5, 0.8, 1.0]
    assert [condition.temperature for condition in chosen] == [233.15, 298.15] * 2 + [233.15]
    assert len(some_conditions(plan_conditions(loadings[:2], SCAN))) == 2


@pytest.fixture
def tried(tmp_path):
    """Model, setting and trials of the small run with some changes."""

    def make(*changes):
        file = read_deck(write_small_run(tmp_path, *changes))
        model = build_model(file, silent)
        setting = Setting(file, build_lattice(model, 1), model.network.content_hash)
        return model, setting, try_conditions(setting, some_conditions(model.conditions), silent, seconds=0.05)

    return make


def test_a_trial_measures_what_a_task_takes(tried):
    """Every number has its order of magnitude, and hops per simulated second are those of the model."""
    model, _, trials = tried()
    for trial in trials:
        assert 0 < trial.hop_s < 1e-3
        assert 0 < trial.move_s < 1e-3
        assert trial.task_seconds(model.deck) > trial.equilibration_seconds(model.deck) + 20_000 * trial.hop_s
        assert trial.file_bytes > 100 * 8 * 5
        assert trial.checkpoint_bytes > trial.file_bytes
    # x = 1: 8 of 16 bcc sites are filled, each ion has 8 neighbours, half of them free on average
    expected = 8 * 8 * 0.5 * ATTEMPT_FREQUENCY * np.exp(-0.2 / (BOLTZMANN * 300))
    assert trials[-1].hop_rate == pytest.approx(expected, rel=0.5)


def test_a_good_deck_has_no_warnings(tried):
    model, setting, trials = tried(
        ("replicas = 2", "replicas = 8"), ("[2, 2, 2]", "[4, 4, 4]"), ("sweeps = 20", "sweeps = 2")
    )
    assert list(warnings(model, setting, trials, slots=2)) == []


@pytest.mark.parametrize(
    ("changes", "slots", "words"),
    [
        ((("replicas = 2", "replicas = 2"),), 1, "[scan] replicas: intervals from 2 replicas are wide"),
        ((("samples = 100", "samples = 10_000"),), 1, "closer than 10 hops; write at most 2000"),
        ((("temperatures_K = [300]", "temperatures_K = [300, 310]"),), 1, "2 of them give no activation energy"),
        ((("sweeps = 20", "sweeps = 100_000"),), 1, "[kmc] equilibration_sweeps: equilibration takes"),
        ((("[2, 2, 2]", "[1, 2, 2]"), ("permittivity = 30", "permittivity = 5000")), 1, "write [lattice] repeats = ["),
        ((), 7, "4 tasks leave 3 of 7 threads without work"),
    ],
)
def test_what_wastes_is_said(tried, changes, slots, words):
    model, setting, trials = tried(*changes)
    assert any(words in line for line in warnings(model, setting, trials, slots))


def test_tasks_shorter_than_the_memory_of_an_ion_are_said(tried, monkeypatch):
    """An ion that remembers for a tenth of a task's time: 2 replicas have 2 * 10 / 12 = 1.7 blocks."""
    model, setting, trials = tried()
    times = [trial.simulated_seconds(model.deck) for trial in trials]
    monkeypatch.setattr("runs.plan_warnings.lone_ion", lambda network, index, T, factor: LoneIon(1, 1, times[0] / 10))
    said = [line for line in warnings(model, setting, trials, 1) if "remembers" in line]
    assert said[0].startswith("x0.5000_T300.00K: a task simulates")
    assert "1.7 blocks" in said[0]
    assert "events = 96_000 or more" in said[0]


def test_a_blocked_condition_is_said(tried):
    model, setting, trials = tried()
    stuck = Trial(trials[0].condition, 0.1, 1e-6, float("nan"), 0.0, 1000, 1000)
    assert stuck.task_seconds(model.deck) < 1
    assert any("no hop is open" in line for line in warnings(model, setting, [stuck], 1))


def test_plan_prints_tasks_memory_storage_time_and_warnings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(trial_run, "TRIAL_SECONDS", 0.05)
    write_small_run(tmp_path)
    result = CliRunner().invoke(main, ["plan", "deck.toml", "--ranks", "2", "--threads", "1"])
    assert result.exit_code == 0, result.output
    for words in (
        "2 loadings x 1 temperature x 2 replicas = 4, 20,000 hops each",
        "supercell: 64 sites, 8 ions",
        "hops a second",
        "on 2 ranks of 1 thread: ",
        "[scan] replicas: intervals from 2 replicas are wide",
        "checkpoints",
    ):
        assert words in " ".join(result.output.split()), words
    assert not (tmp_path / "results").exists()


def test_a_task_like_the_nearest_that_was_tried(tried):
    """Pilots make a twentieth of the hops, equilibration and set-up are the same."""
    model, _, trials = tried()
    for trial in trials:
        whole = plan_job._seconds(model, trial.condition, trials)
        assert whole == pytest.approx(trial.task_seconds(model.deck))
        assert plan_job._seconds(model, trial.condition, trials, events=0.5) == pytest.approx(
            whole - 10_000 * trial.hop_s
        )
