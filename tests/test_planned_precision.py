"""The error of sigma that a deck will have, from invented runs."""

import io
import math
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from random_network import random_network
from rich.console import Console
from small_run import write_small_run

from analysis.campaign import open_run
from analysis.conductivity import collective_slope
from analysis.network_exact import single_particle_diffusivity
from runs.cli import main
from runs.lone_ion_memory import LoneIon, lone_ion
from runs.plan import Condition
from runs.planned_precision import Precision, _path, expected_errors, precision_part


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_lone_ion_diffuses_as_the_exact_solution_says(seed):
    network = random_network(seed)
    for species in range(len(network.species)):
        found = lone_ion(network, species, 500.0, 1.0)
        exact = np.trace(single_particle_diffusivity(network, species, 500.0, 1.0)) / 3
        assert found.at_last == pytest.approx(exact, rel=1e-6, abs=1e-9 * found.at_once)
        assert found.at_once >= found.at_last


def test_what_is_invented_moves_as_it_should():
    """Mean squares 6 [K t + (K' - K) τ (1 - exp(-t/τ))] at lags of a tenth and of ten memory times."""
    motion, step = LoneIon(5.0, 1.0, 2.0), 0.2
    path = _path(motion, 200_000, step, np.random.default_rng(1))
    for lag in (1, 100):
        t = lag * step
        expected = 6 * (t + 4 * 2.0 * (1 - math.exp(-t / 2.0)))
        assert ((path[lag:] - path[:-lag]) ** 2).sum(axis=1).mean() == pytest.approx(expected, rel=0.06)


def test_more_replicas_and_less_memory_narrow_the_error():
    free, slow = LoneIon(1.0, 1.0, 0.0), LoneIon(30.0, 1.0, 20.0)

    def error(motion: LoneIon, replicas: int, samples: int = 400) -> float:
        return expected_errors([motion], replicas, samples, 1.0, np.random.default_rng(2))[1]

    assert error(free, 16) < 0.75 * error(free, 2)
    assert error(slow, 4) > 1.3 * error(free, 4)
    assert error(free, 96, 60) == pytest.approx(error(free, 24, 60) / 2, rel=1e-9)
    nothing = expected_errors([LoneIon(0.0, 0.0, 0.0)], 4, 100, 1.0, np.random.default_rng(2))
    assert nothing == (math.inf, math.inf)


def test_the_error_of_plain_diffusion_is_the_scatter_of_its_estimates():
    """It is the one that the analysis states, and no less than that of the slopes of 40 runs."""
    rng = np.random.default_rng(3)
    slopes = [
        collective_slope([_path(LoneIon(1.0, 1.0, 0.0), 300, 1.0, rng) for _ in range(4)], 1.0).slope.value
        for _ in range(40)
    ]
    least, most = expected_errors([LoneIon(1.0, 1.0, 0.0)], 4, 300, 1.0, rng)
    assert 0.7 * np.std(np.log(slopes)) < least <= most < 4 * np.std(np.log(slopes))


def test_four_runs_in_five_know_sigma_as_well_as_foretold():
    """Of 40 other runs of plain diffusion between 26 and 39 stay below the error that is foretold (0.8 ± 3 x 0.063)."""
    motion, rng = LoneIon(1.0, 1.0, 0.0), np.random.default_rng(4)
    least, most = expected_errors([motion], 4, 300, 1.0, rng)
    errors = [
        collective_slope([_path(motion, 300, 1.0, rng) for _ in range(4)], 1.0).slope.log_error for _ in range(40)
    ]
    assert 26 <= sum(error <= most for error in errors) <= 39
    assert sum(error < least for error in errors) <= 16


def test_replicas_for_a_target():
    condition = Condition(SimpleNamespace(name="x", value=0.5), 300.0)
    assert Precision(condition, 4, 0.2, 0.1).replicas_for(0.1) == 16
    assert Precision(condition, 4, math.inf, 0.1).replicas_for(0.1) == math.inf
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(
        precision_part([Precision(condition, 4, 0.2, 0.1), Precision(condition, 4, math.inf, math.inf)], 0.1, 12)
    )
    text = console.export_text()
    for words in ("10 - 20 %", "0.68 - 1.48", "more than 12", "none", "replicas for 10 %"):
        assert words in text


def test_check_tells_the_precision_that_the_run_then_has(tmp_path, monkeypatch):
    """Of eight ions on a simple net, whose hops are independent but for the sites that are taken: within a factor 2."""
    monkeypatch.chdir(tmp_path)
    write_small_run(tmp_path, ("replicas = 2", "replicas = 4\nsigma_relative_error = 0.9"))
    shown = CliRunner().invoke(main, ["check", "deck.toml", "--threads", "1"])
    assert shown.exit_code == 0, shown.output
    lines = shown.stdout[shown.stdout.index("Planned precision") :].splitlines()
    planned = [float(line.split("%")[0].split()[-1]) / 100 for line in lines if "%" in line and line[:1].isdigit()]
    assert len(planned) == 2
    assert "Trials of 2 loadings and temperatures: 1 s in all" in shown.stderr
    without = CliRunner().invoke(main, ["check", "deck.toml", "--threads", "1", "--no-trial"])
    assert without.exit_code == 0
    assert "Trial" not in without.output
    assert "Planned precision" not in without.output
    assert CliRunner().invoke(main, ["run", "deck.toml", "--threads", "1", "-q"]).exit_code == 0
    for error, point in zip(planned, open_run("results/deck").analyse().points, strict=True):
        assert 0.4 < error / point.sigma.log_error < 2.5
