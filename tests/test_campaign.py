"""From task records to tables: numbers, units, and files that cannot be read."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from lattices import ion, simple_cubic
from synthetic import VOLUME, arrhenius_diffusivity, record

from analysis.campaign import analyse, open_run
from kmc.trajectory import write_task
from runs.result_tables import conductivity_table, dilute_table, optimum_part
from structures.errors import InputError
from structures.units import BOLTZMANN_SI, ELEMENTARY_CHARGE

E_A = 0.2
TEMPERATURES = (250.0, 300.0, 350.0)
COMPOSITIONS = (0.0, 0.25, 0.5, 0.75, 1.0)
N_IONS = 8
STEP = 1e-9


def campaign_records(n_replicas=3):
    """Independent ions, Li+ five times faster than Me2NH2+ at every temperature."""
    return [
        record(
            x,
            T,
            replica,
            ions={
                "Li+": (round(x * N_IONS), arrhenius_diffusivity(T, E_A, 5.0)),
                "Me2NH2+": (round((1 - x) * N_IONS), arrhenius_diffusivity(T, E_A, 1.0)),
            },
            step=STEP,
        )
        for x in COMPOSITIONS
        for T in TEMPERATURES
        for replica in range(n_replicas)
    ]


@pytest.fixture(scope="module")
def records():
    return campaign_records()


@pytest.fixture(scope="module")
def analysis(records):
    return analyse(records, simple_cubic())


def nernst_einstein(n_ions, D, T):
    """Conductivity n e² D / (V k T) in S/cm for D in Å² per step, in SI from scratch."""
    D_si = D / STEP * 1e-20
    return n_ions * ELEMENTARY_CHARGE**2 * D_si / (VOLUME * 1e-30 * BOLTZMANN_SI * T) / 100


def test_sigma_and_D_have_the_right_units_and_size(analysis):  # noqa: N802
    """Independent ions: sigma is Nernst-Einstein's, D_J the mean of D*, the Haven ratio 1."""
    table = analysis.conductivity
    assert len(table) == len(COMPOSITIONS) * len(TEMPERATURES)
    row = table[(table["x"] == 0.5) & (table["T (K)"] == 300)].iloc[0]
    assert row["sigma (S/cm)"] == pytest.approx(nernst_einstein(4, 5.0, 300) + nernst_einstein(4, 1.0, 300), rel=0.4)
    assert row["sigma_NE (S/cm)"] == pytest.approx(nernst_einstein(4, 6.0, 300), rel=0.15)
    assert row["D*(Li+) (cm2/s)"] == pytest.approx(5.0 / STEP * 1e-16, rel=0.2)
    assert row["D*(Me2NH2+) (cm2/s)"] == pytest.approx(1.0 / STEP * 1e-16, rel=0.2)
    assert row["D_J (cm2/s)"] == pytest.approx(3.0 / STEP * 1e-16, rel=0.4)
    assert row["H_R lo"] < 1 < row["H_R hi"]
    assert row["events"] == 3 * 6000
    assert row["back-hop share"] == pytest.approx(100 / 150)


def test_parts_add_up_to_the_whole(analysis):
    table = analysis.conductivity
    parts = table["sigma(Li+) (S/cm)"] + table["sigma(Me2NH2+) (S/cm)"] + 2 * table["sigma(Li+,Me2NH2+) (S/cm)"]
    assert np.allclose(parts, table["sigma (S/cm)"])


def test_a_species_without_ions_has_zero_conductivity(analysis):
    row = analysis.conductivity.query("x == 0").iloc[0]
    assert row["n(Li+)"] == 0
    assert row["sigma(Li+) (S/cm)"] == 0
    assert row["D*(Li+) (cm2/s)"] == 0
    assert row["sigma (S/cm)"] > 0


def test_intervals_hold_the_truth(analysis):
    """15 conductivities at 95 %: fewer than 11 inside has a chance below 1e-4."""
    rows = analysis.conductivity
    n_li = (rows["x"] * N_IONS).round()
    D = rows["T (K)"].map(lambda T: arrhenius_diffusivity(T, E_A, 1.0))
    truth = nernst_einstein(5 * n_li + N_IONS - n_li, D, rows["T (K)"])
    inside = (rows["sigma lo (S/cm)"] <= truth) & (truth <= rows["sigma hi (S/cm)"])
    assert inside.sum() >= 11


def test_activation_of_every_composition(analysis):
    """sigma T is proportional to D: E_a of ln(sigma T) is that of D."""
    table = analysis.activation
    assert len(table) == len(COMPOSITIONS)
    assert ((table["E_a lo (eV)"] < E_A) & (E_A < table["E_a hi (eV)"])).sum() >= 3
    assert (table["E_a(ln sigma) (eV)"] < table["E_a (eV)"]).all()


def test_optimum_at_the_end_of_the_scan_is_a_bound(analysis):
    """Li+ is the faster ion, so sigma grows up to x = 1."""
    assert len(analysis.optimum) == len(TEMPERATURES)
    assert (analysis.optimum["x* hi"] == 1.0).all()
    assert (analysis.optimum["edge"] == "at least").any()


def test_dilute_diffusivity_is_listed(analysis):
    assert list(analysis.dilute["species"].unique()) == ["A"]
    assert len(analysis.dilute) == len(TEMPERATURES)


def test_two_temperatures_give_no_activation_energy_but_a_statement(records):
    found = analyse([r for r in records if r.temperature > 260 and r.composition == 1.0])
    assert found.activation.empty
    assert found.optimum.empty
    assert any("no E_a" in line and "3 temperatures" in line for line in found.statements)
    assert any("no optimum" in line for line in found.statements)
    assert all("\n" not in line for line in found.statements)


def test_blocked_replicas_are_zero_with_a_statement():
    frozen = [record(1.0, 300.0, r, ions={"Li+": (4, 0.0), "Me2NH2+": (0, 0.0)}) for r in range(3)]
    found = analyse(frozen)
    assert found.conductivity["sigma (S/cm)"].tolist() == [0.0]
    assert found.conductivity["sigma lo (S/cm)"].isna().all()
    assert any("blocked" in line for line in found.statements)


def test_a_blocked_replica_among_others_is_a_zero():
    """sigma, D* and their ratio are means over all four replicas; the table says that the point is not ergodic."""
    ions = {"Li+": (4, 2.0), "Me2NH2+": (0, 0.0)}
    moving = [record(1.0, 300.0, r, ions=ions) for r in range(3)]
    still = record(1.0, 300.0, 3, ions={"Li+": (4, 0.0), "Me2NH2+": (0, 0.0)})
    assert still.blocked
    alone, mixed = (analyse(task).conductivity.iloc[0] for task in (moving, [*moving, still]))
    assert mixed["replicas"] == 4
    assert mixed["blocked replicas"] == 1
    assert mixed["sigma (S/cm)"] == pytest.approx(0.75 * alone["sigma (S/cm)"], rel=0.1)
    assert mixed["D*(Li+) (cm2/s)"] == pytest.approx(0.75 * alone["D*(Li+) (cm2/s)"], rel=0.1)
    assert mixed["H_R"] == pytest.approx(alone["H_R"], rel=0.15)
    widths = [row["sigma hi (S/cm)"] / row["sigma lo (S/cm)"] for row in (alone, mixed)]
    assert widths[1] > 1.5 * widths[0]
    assert not mixed["converged"]
    assert not mixed["H_R converged"]
    assert any("1 of 4 replicas blocked" in line for line in analyse([*moving, still]).statements)


def test_axes_add_up_and_a_preferred_direction_is_named(analysis):
    """Isotropic ions are not called anisotropic; a displacement stretched along z is, by its factor 9."""
    table = analysis.conductivity
    axes = sum(table[f"sigma_{axis} (S/cm)"] for axis in ("xx", "yy", "zz"))
    assert np.allclose(axes / 3, table["sigma (S/cm)"])
    assert not any("orientations" in line for line in analysis.statements)
    ions = {"Li+": (4, 2.0), "Me2NH2+": (0, 0.0)}
    isotropic = [record(1.0, 300.0, r, ions=ions) for r in range(4)]
    stretched = analyse([replace(r, displacement=r.displacement * [1, 1, 3]) for r in isotropic])
    row = stretched.conductivity.iloc[0]
    assert row["sigma_zz (S/cm)"] / row["sigma_xx (S/cm)"] == pytest.approx(9, rel=0.5)
    assert row["sigma_zz lo (S/cm)"] < row["sigma_zz (S/cm)"] < row["sigma_zz hi (S/cm)"]
    assert [line for line in stretched.statements if "orientations" in line and "1 of 1 points" in line]


def test_what_is_not_converged_is_marked(analysis):
    """D* that still falls marks itself, its Haven ratio and the table of one ion alone."""
    table = analysis.conductivity.assign(**{"H_R converged": False, "converged": True})
    marked = conductivity_table(replace(analysis, conductivity=table))
    assert all(row[4].endswith("~") for row in marked.rows)
    assert not any(row[2].endswith("~") for row in marked.rows)
    alone = pd.DataFrame([{"species": "Li+", "T (K)": 300.0, "D (cm2/s)": 1e-8}])
    slow = analysis.conductivity.assign(**{"D*(Li+) converged": False})
    beside = dilute_table(replace(analysis, conductivity=slow, dilute=alone))
    assert beside.rows[0][3].endswith("~")
    assert "block" in str(beside.caption)


def test_an_optimum_that_may_lie_at_the_edge_is_said(analysis):
    """A share of bootstrap samples above 2.5 % at the end of the scan is printed beside an inner optimum."""
    inner = analysis.optimum.assign(**{"edge": "", "edge share": 0.12, "near edge": True})
    caption = str(optimum_part(replace(analysis, optimum=inner)).caption)
    assert "Possibly at the edge" in caption
    assert "12 %" in caption


def test_single_replica_has_a_conductivity_interval_but_no_tracer_interval():
    found = analyse([record(1.0, 300.0, 0, ions={"Li+": (4, 1.0), "Me2NH2+": (0, 1.0)})])
    row = found.conductivity.iloc[0]
    assert row["sigma lo (S/cm)"] < row["sigma (S/cm)"] < row["sigma hi (S/cm)"]
    assert np.isnan(row["D*(Li+) lo (cm2/s)"])
    assert any("no optimum" in line for line in found.statements)


def test_same_records_same_numbers_in_any_order(records, analysis):
    again = analyse(list(reversed(records)), simple_cubic())
    pd.testing.assert_frame_equal(again.conductivity, analysis.conductivity)
    pd.testing.assert_frame_equal(again.optimum, analysis.optimum)


def test_folder_with_damaged_files(tmp_path, records):
    """A truncated file and a foreign one are left out, each with its line; the rest is analysed."""
    tasks = tmp_path / "tasks"
    tasks.mkdir()
    for task in records[:9]:
        write_task(tasks / f"{task.key}.h5", task)
    whole = (tasks / f"{records[0].key}.h5").read_bytes()
    (tasks / "truncated.h5").write_bytes(whole[: len(whole) // 2])
    (tasks / "foreign.h5").write_text("no HDF5")
    run = open_run(tmp_path)
    assert len(run.records) == 9
    assert len(run.statements) == 2
    assert any(line.startswith("truncated.h5 left out") for line in run.statements)
    found = run.analyse()
    assert set(run.statements) <= set(found.statements)
    found.write_tables(tmp_path)
    assert len(pd.read_csv(tmp_path / "summary.csv")) == 3
    assert "E_a (eV)" in pd.read_csv(tmp_path / "activation.csv")
    assert (tmp_path / "optimum.csv").is_file()


def test_missing_folder_and_empty_folder_are_refused(tmp_path):
    with pytest.raises(InputError, match="expected the folder of a run"):
        open_run(tmp_path / "nowhere")
    with pytest.raises(InputError, match="expected complete task files; found none"):
        open_run(tmp_path)
    with pytest.raises(InputError, match="at least one complete task"):
        analyse([])


@pytest.mark.parametrize(("crossing", "sigma_is_zero"), [((False, False), True), ((True, False), False)])
def test_ions_that_no_path_leads_across_the_crystal_conduct_nothing(records, crossing, sigma_is_zero):
    """However much they move in their pockets: sigma is zero, not what a run of finite length shows."""
    one = simple_cubic(species=(ion("Li+"), ion("Me2NH2+")))
    levels = np.where(np.array(crossing)[:, None], 0.3, np.nan) * np.ones((2, 3))
    network = replace(one, percolation=levels)
    some = [r for r in records if r.composition == 0.5]
    found = analyse(some, network)
    sigma = found.conductivity["sigma (S/cm)"]
    assert (sigma == 0).all() == sigma_is_zero
    assert any("sigma = 0: blocked: no path crosses the crystal" in line for line in found.statements) == sigma_is_zero
    assert analyse(some).conductivity["sigma (S/cm)"].min() > 0
