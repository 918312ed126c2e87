"""Tasks in an electric field: beside those without one, and of no influence on them."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from small_run import digests, write_small_run

from analysis.campaign import open_run
from runs.cli import main
from runs.composition import Loading
from runs.deck import Scan
from runs.plan import Condition, plan_conditions, plan_tasks, without_field
from structures.errors import InputError
from structures.units import BOLTZMANN

RESULTS = Path("results/deck")
SHORT = ("events = 20_000", "events = 5_000")
LOADING = Loading("x", 0.5, (0.5,), {"Li+": 1}, (), {})
CELL = np.array([[4.0, 0.0, 0.0], [-3.0, 4.0, 0.0], [0.0, 0.0, 2.0]])


def run(*arguments: str) -> Result:
    """Run the deck in the present folder."""
    return CliRunner().invoke(main, ["run", "deck.toml", "--threads", "1", "-q", *arguments])


@pytest.mark.parametrize(
    ("axis", "direction"),
    [("a", (1, 0, 0)), ("b", (-0.6, 0.8, 0)), ("c", (0, 0, 1)), ("x", (1, 0, 0)), ("y", (0, 1, 0)), ("z", (0, 0, 1))],
)
def test_a_field_has_the_direction_of_its_axis(axis, direction):
    """1 V/Å is 1e8 V/cm."""
    field = Condition(LOADING, 300.0, 2e6, axis).field_vector(CELL)
    np.testing.assert_allclose(field, 0.02 * np.array(direction), atol=1e-18)
    assert not Condition(LOADING, 300.0).field_vector(CELL).any()


def test_every_field_is_a_task_with_a_key_of_its_own():
    """Without a field the keys, and so the random numbers, are as in a scan without fields."""
    scan = Scan(temperatures_K=(300.0,), replicas=2, fields_V_per_cm=(2.5e5, 1e5), field_along="b")
    conditions = plan_conditions([LOADING], scan)
    assert [condition.key for condition in conditions] == [
        "x0.5000_T300.00K", "x0.5000_T300.00K_Eb1.000e5", "x0.5000_T300.00K_Eb2.500e5",
    ]  # fmt: skip
    assert len(plan_tasks(conditions, 2)) == 6
    assert without_field(conditions) == conditions[:1]
    assert Condition(LOADING, 300.0, 1e5, "x").key != Condition(LOADING, 300.0, 1e5, "a").key
    with pytest.raises(InputError, match="fields a thousandth apart, found 2 tasks named"):
        plan_conditions([LOADING], Scan(temperatures_K=(300.0,), replicas=2, fields_V_per_cm=(1e5, 1.00001e5)))


def test_fields_are_added_to_a_run_and_change_nothing_in_it(tmp_path, monkeypatch):
    """The Li+ of a body-centred lattice drift along the field; the conductivity comes from the tasks without one."""
    monkeypatch.chdir(tmp_path)
    write_small_run(tmp_path, SHORT)
    assert run().exit_code == 0
    before, table = digests(RESULTS, deck=False), (RESULTS / "summary.csv").read_text()
    text = Path("deck.toml").read_text()
    Path("deck.toml").write_text(text.replace("replicas = 2", 'replicas = 2\nfield_along = "z"'))
    assert run("--extend", "fields_V_per_cm=1e5").exit_code == 2
    Path("deck.toml").write_text(text)
    result = run("--extend", "fields_V_per_cm=1e5")
    assert result.exit_code == 0, result.output
    now = digests(RESULTS, deck=False)
    assert before.items() <= now.items()
    assert len(now) == 8
    assert (RESULTS / "summary.csv").read_text() == table
    opened = open_run(RESULTS)
    assert (len(opened.records), len(opened.in_field)) == (4, 4)
    for record in opened.in_field:
        np.testing.assert_allclose(record.field, [1e-3, 0, 0])
        assert record.key.endswith(f"K_Ea1.000e5_r{record.replica:02d}")
    lost = RESULTS / "tasks" / f"{opened.in_field[0].key}.h5"
    lost.unlink()
    assert run("--extend", "fields_V_per_cm=1e5", "--threads", "2").exit_code == 0
    assert digests(RESULTS, deck=False) == now


def test_ions_drift_as_a_free_walk_does(tmp_path, monkeypatch):
    """One Li+ on the body-centred net, hops ±a/2 along x at 4 w sinh each way: v = 4 a w exp(-E/kT) sinh(ε/2).

    ε = q E (a/2) / kT is 0.46 here; 8 hops of rate w exp(-E/kT), four with and four against the field.
    """
    monkeypatch.chdir(tmp_path)
    write_small_run(
        tmp_path, ("events = 20_000", "events = 100_000"), ("repeats = [2, 2, 2]", "repeats = [1, 1, 1]"),
        ("[0.5, 1]", "[1]"), ("replicas = 2", "replicas = 2\nfields_V_per_cm = [2e5]"),
    )  # fmt: skip
    assert run().exit_code == 0
    records = open_run(RESULTS).in_field
    velocity = np.mean([record.displacement[-1, 0] / record.time[-1] for record in records], axis=0)
    epsilon = 2e-3 * 6.0 / (BOLTZMANN * 300)
    rate = 1e12 * np.exp(-0.2 / (BOLTZMANN * 300))
    exact = 4 * 12.0 * rate * np.sinh(epsilon / 2)
    hops = sum(int(record.events[-1]) for record in records)
    error = 6.0 * np.sqrt(hops) / sum(record.time[-1] for record in records)
    assert abs(velocity[0] - exact) < 4 * error
    assert abs(velocity[1]) < 4 * error
    assert error < 0.03 * exact
