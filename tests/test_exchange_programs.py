"""Programs of others open our files and find the same displacements and the same diffusivity.

Walkers with a rate of 1/ns to each of six neighbours 1 Å away: D = 1e9 Å²/s, less what they are in each other's way.
"""

import numpy as np
import pytest
from framed_run import CUBIC, write_framed_task

from analysis.displacements import Displacements
from analysis.exchange_formats import export_frames
from analysis.frames import Trajectory
from kmc.trajectory import read_task

pytestmark = [pytest.mark.validation, pytest.mark.filterwarnings("ignore")]

STEP = 0.25e-9  # s
N_LI = 40
LAGS = np.arange(1, 40)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exchange")
    task = write_framed_task(
        folder / "task.h5", counts={"Li+": N_LI, "rigid-Me2NH2+": 10}, step=STEP, n_samples=800, rate=1e9
    )
    return task, {form: export_frames(task, CUBIC, folder, form).path for form in ("h5md", "xyz", "npz")}


@pytest.fixture(scope="module")
def place(files):
    return Trajectory.from_task(files[0], CUBIC).positions()[:, :N_LI]


@pytest.fixture(scope="module")
def own(files):
    """MSD of the lithium ions at LAGS, Å², from the correlator of the engine and by hand, and D* with its error."""
    record = read_task(files[0])
    path = Trajectory.from_task(files[0], CUBIC).positions()[:, :N_LI]
    msd = np.array([((path[lag:] - path[:-lag]) ** 2).sum(axis=2).mean() for lag in LAGS])
    kept = np.interp(LAGS * STEP, record.lag, record.msd[:, 0].sum(axis=1))
    short = record.lag <= 16 * STEP * (1 + 1e-9)
    np.testing.assert_allclose(record.msd[short, 0].sum(axis=1), msd[: short.sum()], rtol=1e-9)
    assert kept == pytest.approx(msd, rel=0.02)
    each = [((path[20::20, ion] - path[:-20:20, ion]) ** 2).sum(axis=1).mean() for ion in range(N_LI)]
    D = np.array(each) / (6 * 20 * STEP)
    return msd, D.mean(), D.std(ddof=1) / np.sqrt(N_LI)


def slope(msd):
    """D from a straight line through an MSD at LAGS beyond the first ten, Å²/s."""
    return np.polyfit(LAGS[10:] * STEP, np.asarray(msd)[10:], 1)[0] / 6


def test_mdanalysis_opens_h5md_directly(files, place, own):
    mdanalysis = pytest.importorskip("MDAnalysis")
    from MDAnalysis.analysis.msd import EinsteinMSD

    universe = mdanalysis.Universe(str(files[1]["h5md"]))
    assert (len(universe.atoms), universe.trajectory.n_frames) == (N_LI + 10 + 2 * 216, 801)
    for k in (0, 17, 800):
        frame = universe.trajectory[k]
        assert frame.time == pytest.approx(k * STEP * 1e12)
        assert frame.dimensions == pytest.approx([6, 6, 6, 90, 90, 90])
        assert frame.positions[:N_LI] == pytest.approx(place[k], abs=1e-4)
    found = EinsteinMSD(universe, select=f"index 0:{N_LI - 1}", msd_type="xyz", fft=False).run()
    msd = found.results.timeseries[LAGS]
    assert msd == pytest.approx(own[0], rel=1e-4)
    assert abs(slope(msd) - own[1]) < 3 * own[2]


def test_mdanalysis_takes_elements_from_the_xyz(files):
    mdanalysis = pytest.importorskip("MDAnalysis")
    universe = mdanalysis.Universe(str(files[1]["xyz"]), str(files[1]["h5md"]))
    assert len(universe.select_atoms("name Li")) == N_LI


def test_ase_opens_h5md_through_znh5md(files, place, own):
    znh5md = pytest.importorskip("znh5md")
    frames = znh5md.IO(str(files[1]["h5md"]))[:]
    assert len(frames) == 801
    assert frames[0].get_chemical_symbols()[N_LI - 1 : N_LI + 1] == ["Li", "N"]
    assert frames[0].pbc.all()
    assert frames[0].cell[:] == pytest.approx(6 * np.eye(3))
    found = np.array([atoms.positions[:N_LI] for atoms in frames])
    np.testing.assert_array_equal(found, place)
    msd = [((found[lag:] - found[:-lag]) ** 2).sum(axis=2).mean() for lag in LAGS]
    assert abs(slope(msd) - own[1]) < 3 * own[2]


@pytest.mark.parametrize("through", ["MDAnalysis", "znh5md"])
def test_kinisi_finds_the_same_diffusivity(files, own, through):
    """With the framework as what does not drift; its error and ours together.

    Times are in ps, where they are whole: kinisi rounds times over time steps down.
    """
    kinisi = pytest.importorskip("kinisi.analyze")
    scipp = pytest.importorskip("scipp")
    options = {
        "time_step": scipp.scalar(250.0, unit="ps"),
        "step_skip": scipp.scalar(1, unit="dimensionless"),
        "dt": scipp.array(dims=["time interval"], values=250.0 * LAGS, unit="ps"),
        "progress": False,
    }
    if through == "MDAnalysis":
        universe = pytest.importorskip("MDAnalysis").Universe(str(files[1]["xyz"]), str(files[1]["h5md"]))
        found = kinisi.DiffusionAnalyzer.from_universe(universe, specie="LI", **options)
    else:
        frames = pytest.importorskip("znh5md").IO(str(files[1]["h5md"]))[:]
        found = kinisi.DiffusionAnalyzer.from_ase(frames, specie="Li", **options)
    assert found.msd.values == pytest.approx(own[0], rel=0.02)
    found.diffusion(scipp.scalar(2500.0, unit="ps"), progress=False, random_state=np.random.RandomState(1))
    D = found.D.to(unit="angstrom^2/s").values
    assert abs(D.mean() - own[1]) < 3 * np.hypot(D.std(), own[2])


def test_pymatgen_analysis_diffusion_takes_the_arrays(files, place, own):
    """Smoothed over 700 origins; its other mode leaves out lags below 1 ps and nothing else, not even no lag at all."""
    analyzer = pytest.importorskip("pymatgen.analysis.diffusion.analyzer")
    from pymatgen.core import Element, Lattice, Structure

    arrays = np.load(files[1]["npz"])
    symbols = [Element.from_Z(int(z)) for z in arrays["numbers"]]
    structure = Structure(Lattice(arrays["lattice"]), symbols, arrays["frac_coords"])
    found = analyzer.DiffusionAnalyzer(
        structure, arrays["displacements"], "Li", float(arrays["temperature"]), float(arrays["time_step"]), 1,
        smoothed="constant", avg_nsteps=700,
    )  # fmt: skip
    assert found.dt[:3] == pytest.approx(np.arange(3) * STEP * 1e15)
    origins = place[1:701]
    msd = [((place[1 + lag : 701 + lag] - origins) ** 2).sum(axis=2).mean() for lag in range(100)]
    assert found.msd == pytest.approx(msd, rel=0.03, abs=1e-9)
    assert abs(found.diffusivity * 1e16 - own[1]) < 3 * own[2]


def test_our_own_estimators_take_arrays_of_anyone(files, place, own):
    """The way back: what another program gives goes into `Displacements.from_arrays`."""
    found = Displacements.from_arrays(
        positions=place, time_step_s=STEP, species=["Li+"] * N_LI, charges=np.ones(N_LI), volume_A3=216.0,
        temperature_K=300.0,
    )  # fmt: skip
    msd = np.interp(LAGS * STEP, found.lag[0], found.msd[0][:, 0].sum(axis=1))
    assert msd == pytest.approx(own[0], rel=0.02)
