"""What a run has seen: correlation times that are known, and drifts that are there."""

from dataclasses import replace

import numpy as np
import pytest
from synthetic import record

from analysis.run_statistics import correlation_time, energy_drift, run_statistics, statistics_statements

N_STEPS = 20_000


def with_energy(energy: np.ndarray, replica: int = 0):
    made = record(0.5, 300.0, replica, ions={"Li+": (1, 1.0)}, n_steps=len(energy) - 1)
    return replace(made, energy=energy)


def autoregressive(rng: np.random.Generator, memory: float) -> np.ndarray:
    """x_k = memory x_(k-1) + noise: its integrated autocorrelation time is ½ (1 + memory) / (1 - memory) steps."""
    noise = rng.normal(size=N_STEPS)
    x = np.zeros(N_STEPS)
    for k in range(1, N_STEPS):
        x[k] = memory * x[k - 1] + noise[k]
    return x


@pytest.mark.parametrize("memory", [0.0, 0.8, 0.95])
def test_correlation_time_of_an_autoregression(memory):
    records = [with_energy(autoregressive(np.random.default_rng(seed), memory)) for seed in range(4)]
    expected = 0.5 * (1 + memory) / (1 - memory)
    assert correlation_time(records) / 1e-9 == pytest.approx(expected, rel=0.15)


def test_a_constant_energy_has_no_correlation_time():
    assert correlation_time([with_energy(np.ones(200))]) == 0.0
    assert energy_drift([with_energy(np.ones(200), replica) for replica in range(3)]) == 0.0


def test_drift_between_the_halves_is_seen_and_noise_is_not():
    """Eight replicas of white noise; a slope of 0.2 standard deviations over a run is 40 standard errors."""
    rng = np.random.default_rng(5)
    noise = [rng.normal(size=N_STEPS) for _ in range(8)]
    still = [with_energy(x, k) for k, x in enumerate(noise)]
    moving = [with_energy(x + np.linspace(0, -0.2, N_STEPS), k) for k, x in enumerate(noise)]
    assert abs(energy_drift(still)) < 3
    assert energy_drift(moving) < -4
    assert list(statistics_statements(run_statistics(still))) == []
    (line,) = statistics_statements(run_statistics(moving))
    assert line.startswith("the energy still drifts")
    assert np.isnan(energy_drift(still[:1]))


def test_rows_count_what_the_records_hold():
    records = [record(x, 300.0, r, ions={"Li+": (4, 1.0), "Me2NH2+": (2, 1.0)}) for x in (0.0, 1.0) for r in range(3)]
    table = run_statistics(records)
    assert table["x"].tolist() == [0.0, 1.0]
    row = table.iloc[0]
    assert (row["replicas"], row["samples"], row["events"]) == (3, 601, 18_000)
    assert row["hops per ion"] == 3000
    assert row["back-hop share"] == pytest.approx(100 / 150)


def test_lost_precision_is_said():
    (line,) = statistics_statements(run_statistics([replace(with_energy(np.zeros(200)), drift=1e-3)]))
    assert "1.0e-03 eV" in line
