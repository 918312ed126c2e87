"""From frameworks to networks."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from cifs import MOF5 as DDEC
from frameworks import oxide

from lattice import builder, cache
from lattice.builder import LandscapeSettings, build_network, cached_network
from lattice.cube import write_cube
from runs.assumptions import network_assumptions
from structures.cif import load_framework
from structures.errors import InputError
from structures.species import SHIPPED_SPECIES, Species

LI = SHIPPED_SPECIES["Li+"]
COARSE = LandscapeSettings(permittivity=1.0, spacing=0.35)


@pytest.fixture(scope="module")
def mof5():
    framework = load_framework("mof5", charges=DDEC, cell="primitive")
    return build_network(framework, [LI], replace(COARSE, spacing=0.25))


def test_every_site_of_mof5_has_all_its_copies(mof5):
    """Fm-3m has 48 operations on the primitive cell: the deep Li+ orbit has 24 of 24 sites there, 96 in the cubic cell.

    Each lies on a mirror plane, 24 = 48 / 2.
    """
    _, counts = np.unique(mof5.site_orbit, return_counts=True)
    assert (48 % counts == 0).all()
    assert counts[0] == 24
    assert mof5.site_label[0] == "carboxylate-O"
    for orbit in np.unique(mof5.site_orbit):
        assert np.ptp(mof5.site_energy[mof5.site_orbit == orbit]) == 0


def test_lithium_hops_in_mof5_within_and_between_nodes(mof5):
    """Every deep site has the same hops: two within its node; the linkers are reached over a much higher saddle."""
    deep = np.flatnonzero(mof5.site_orbit == 0)
    lists = [np.sort(mof5.hop_orbit[mof5.hop_origin == site]).tolist() for site in deep]
    assert all(hops == lists[0] for hops in lists)
    inside = (mof5.hop_origin == deep[0]) & (mof5.site_orbit[mof5.hop_target] == 0)
    assert inside.sum() == 2
    assert np.linalg.norm(mof5.hop_vector[inside], axis=1).max() < 3.0
    barrier = mof5.hop_saddle[inside].max() - mof5.site_energy[deep[0]]
    assert barrier < 0.5 * (mof5.percolation[0, 2] - mof5.site_energy[deep[0]])


def test_refined_percolation_agrees_with_the_grid(mof5):
    line = next(line for line in mof5.provenance if "percolation energies" in line)
    grid, refined = line.split("E_3D ")[1].removesuffix(" eV").split(" / ")
    assert float(grid) == pytest.approx(float(refined), abs=0.01)
    assert float(refined) == pytest.approx(mof5.percolation[0, 2], abs=1e-4)


def test_two_species_share_one_network():
    """Each species has the body centre of the empty cube and hops through its six faces."""
    small = Species("small+", 1.0, 7.0, 1e-3, 2.0, 0.7, "test")
    network = build_network(oxide(), [LI, small], COARSE)
    assert network.site_species.tolist() == [0, 1]
    np.testing.assert_allclose(network.site_frac, 0.5)
    assert [int((network.hop_origin == site).sum()) for site in (0, 1)] == [6, 6]
    assert {(0, 1), (1, 0)} == set(zip(network.exclusion_a.tolist(), network.exclusion_b.tolist(), strict=True))
    assert np.isfinite(network.percolation).all()


def test_a_medium_of_lower_symmetry_takes_operations_away():
    """A cube in a uniaxial medium is tetragonal: with all 48 operations or none given, the same network comes out."""
    settings = replace(COARSE, permittivity=(2.0, 2.0, 8.0), percolation_dimensions=1)
    plain = oxide(rotations=np.eye(3, dtype=int)[None], translations=np.zeros((1, 3)))
    network, without = (build_network(framework, [LI], settings) for framework in (oxide(), plain))
    np.testing.assert_allclose(np.sort(network.site_energy), np.sort(without.site_energy), atol=1e-6)
    np.testing.assert_allclose(np.sort(network.hop_saddle), np.sort(without.hop_saddle), atol=1e-6)
    assert any(line.startswith("symmetry: 16 of 48 operations") for line in network.provenance)
    turned = build_network(oxide(), [LI], replace(settings, permittivity=(8.0, 2.0, 2.0)))
    np.testing.assert_allclose(np.sort(turned.hop_saddle), np.sort(network.hop_saddle), atol=1e-6)


def test_each_landscape_is_said_to_be_what_it_is(tmp_path):
    """One ion computed, one from a file of another grid: only the first has a cut-off and a spacing."""
    small = Species("small+", 1.0, 7.0, 1e-3, 2.0, 0.7, "test")
    landscape = builder.ion_landscape(oxide(), small, replace(COARSE, spacing=0.5))
    write_cube(tmp_path / "small.cube", oxide(), landscape.energy, "made for a test")
    network = build_network(oxide(), [LI, small], COARSE, cubes={"small+": tmp_path / "small.cube"})
    lines = [line for line in network.provenance if line.startswith("landscape of ")]
    assert lines[0].startswith("landscape of Li+: q Phi / eps_r + Lennard-Jones, eps_r 1, grid 15x15x15, spacing 0.35")
    assert lines[1].startswith("landscape of small+: energies from small.cube, 10x10x10 points, on 10x10x10")
    assert len(lines) == 2
    assert "Lennard-Jones" not in "".join(line for line in network.provenance if line != lines[0])
    groups, log = network_assumptions(network, None)
    assert [line for line in groups["landscape"] if line.startswith("landscape of ")] == lines
    assert not any("small.cube" in line for line in log)


@pytest.mark.parametrize(("n_saddles", "words"), [(30, "at 32 of 32 points"), (400, "at 100 of 402 points")])
def test_the_error_of_orientations_is_said_to_be_that_of_the_points_looked_at(n_saddles, words):
    looked_at = []
    landscape = SimpleNamespace(n_orientations=9, orientation_error=lambda frac: looked_at.append(len(frac)) or 0.0123)
    graph = SimpleNamespace(orbit=np.array([0, 0, 1]), frac=np.zeros((3, 3)))
    stationary = SimpleNamespace(graph=graph, saddle_frac=np.zeros((n_saddles, 3)))
    (line,) = builder._orientation_line(landscape, stationary)
    assert f"by up to 0.012 eV {words};" in line
    assert looked_at == [int(words.split()[1])]


def test_building_twice_gives_the_same_network():
    assert build_network(oxide(), [LI], COARSE).content_hash == build_network(oxide(), [LI], COARSE).content_hash


def test_an_ion_that_fits_nowhere_is_refused():
    with pytest.raises(
        InputError, match=r"large\+ fits nowhere in oxide: the largest cavity is 5\.6 Å wide; .* 8\.0 Å"
    ):
        build_network(oxide(), [Species("large+", 1.0, 50.0, 0.02, 8.0, 4.5, "test")], COARSE)


def test_too_few_directions_are_refused():
    """A wall of atoms across z leaves two directions: enough only if the user says so."""
    frac = np.array([[x / 6, y / 6, 0.0] for x in range(6) for y in range(6)])
    cell = np.diag([9.0, 9.0, 7.0])
    walls = oxide(
        cell=cell,
        symbols=("O",) * 36,
        frac_coords=frac,
        charges=np.full(36, 1 / 36),
        atom_classes=("O",) * 36,
        rotations=np.eye(3, dtype=int)[None],
        translations=np.zeros((1, 3)),
    )
    with pytest.raises(InputError, match=r"Li\+ crosses the crystal in 2 directions; expected at least 3"):
        build_network(walls, [LI], COARSE)
    network = build_network(walls, [LI], replace(COARSE, percolation_dimensions=2))
    assert np.isnan(network.percolation[0]).tolist() == [False, False, True]


def test_an_ion_that_is_shut_in_is_a_result_where_that_is_asked_for():
    """Walls on all faces of the cell: refused, or one closed pocket that is said to conduct nothing."""
    steps = np.arange(6) / 6
    faces = {(0.0, u, v) for u in steps for v in steps} | {(u, 0.0, v) for u in steps for v in steps}
    frac = np.array(sorted(faces | {(u, v, 0.0) for u in steps for v in steps}))
    box = oxide(
        cell=9.0 * np.eye(3),
        symbols=("O",) * len(frac),
        frac_coords=frac,
        charges=np.full(len(frac), 1 / len(frac)),
        atom_classes=("O",) * len(frac),
        rotations=np.eye(3, dtype=int)[None],
        translations=np.zeros((1, 3)),
    )
    with pytest.raises(InputError, match=r"crosses the crystal in no directions; .* percolation_dimensions = 0 would"):
        build_network(box, [LI], COARSE)
    network = build_network(box, [LI], replace(COARSE, percolation_dimensions=0))
    assert np.isnan(network.percolation).all()
    assert network.n_sites == 1
    assert any(line.startswith("Li+: warning: blocked: no path crosses the crystal") for line in network.provenance)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"permittivity": 0.0}, "permittivity must lie between 1 and 10000 in every direction; got 0"),
        ({"persistence_kT": 300.0}, "persistence_kT must lie between 0 and 20; got 300"),
        ({"temperatures": (400.0, 300.0)}, "temperatures must ascend between 50 and 1500 K; got 400 to 300 K"),
        ({"temperatures": (1.0, 300.0)}, "temperatures must ascend between 50 and 1500 K; got 1 to 300 K"),
        ({"rate_model": "guess"}, "rate_model must be one of flux_tst, harmonic_tst, attempt_frequency; got guess"),
        ({"percolation_dimensions": 4}, "percolation_dimensions must lie between 0 and 3; got 4"),
        ({"spacing": float("nan")}, "spacing must lie between"),
    ],
)
def test_settings_out_of_range_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        replace(COARSE, **changes)


def test_the_same_species_twice_is_refused():
    with pytest.raises(InputError, match="species must be different"):
        build_network(oxide(), [LI, LI], COARSE)


def test_the_cache_is_used_survives_damage_and_knows_its_inputs(tmp_path, monkeypatch):
    stages = []

    def network(framework, settings=COARSE):
        stages.clear()
        return cached_network(
            framework, [LI], settings, cache_dir=tmp_path / "cache", progress=lambda stage, _: stages.append(stage)
        )

    first = network(oxide())
    assert network(oxide()).content_hash == first.content_hash
    assert stages == ["network from the cache"]
    file = next((tmp_path / "cache").iterdir())
    file.write_bytes(b"damaged")
    assert network(oxide()).content_hash == first.content_hash
    assert stages[0] == "network in the cache is damaged and is built again"
    assert len(stages) > 1
    network(oxide(), replace(COARSE, permittivity=2.0))
    assert len(stages) > 1
    network(oxide(charges=np.array([0.5]), net_charge=0.5))
    assert len(list((tmp_path / "cache").iterdir())) == 3


def test_another_numerical_library_may_make_another_network(tmp_path, monkeypatch):
    before = cache.cache_file(tmp_path, oxide(), [LI], COARSE)
    assert cache.cache_file(tmp_path, oxide(), [LI], COARSE) == before
    monkeypatch.setattr(cache, "version", lambda name: "0.0" if name == "scipy" else "1.0")
    assert cache.cache_file(tmp_path, oxide(), [LI], COARSE) != before


def test_a_cache_that_cannot_be_written_does_no_harm(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    assert cached_network(oxide(), [LI], COARSE, cache_dir=blocked / "cache").n_sites == 1


def test_cache_folder_follows_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("MOFKMC_CACHE", str(tmp_path))
    assert builder.default_cache_dir() == tmp_path
