"""What `mofkmc network` prints and writes, on lattices that take no time to build."""

import ast
import io
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from decks import write_deck
from frameworks import oxide
from lattices import chain, ion, simple_cubic
from rich.console import Console

from analysis.network_orbits import species_summaries
from lattice.network import PoreNetwork
from lattice.overrides import HopOverride, SiteOverride, override_network
from runs import network_comparison, network_job, network_output, network_source
from runs.assumptions import network_assumptions, screening_line
from runs.cli import main
from runs.deck_file import read_deck
from runs.folder import ResultsFolder
from runs.network_comparison import GridResult, agreement, convergence_table
from runs.network_frames import hop_frame, prefactor_name
from runs.network_output import NetworkResult, write_landscapes
from runs.network_request import NetworkRequest
from runs.network_source import NAMES, fault_with_key, fault_with_option, source_of_deck, source_of_request
from runs.network_tables import hop_table, percolation_table, site_table
from structures.charges import assign_charges
from structures.cif import load_framework
from structures.crystal import Crystal
from structures.errors import About, InputError
from structures.species import SHIPPED_SPECIES
from structures.units import BOLTZMANN

PROVENANCE = (
    "structure: my.cif, sha256 0",
    "4 x H2O removed",
    "charges from EQeq",
    "net charge 0 e per formula unit",
)


def pores() -> PoreNetwork:
    """Two kinds of sites, 0 and 0.1 eV, with saddles at 0.3 and 0.4 eV along x; nothing across."""
    made = chain(np.array([0.0, 0.1]), np.array([0.3, 0.4]), species=(SHIPPED_SPECIES["Li+"],), permittivity=10.0)
    notes = ("landscape: computed", "Li+: merged into neighbours: 4 basins", f"Li+: {SHIPPED_SPECIES['Li+'].source}")
    return replace(
        made,
        percolation=np.array([[0.4, np.nan, np.nan]]),
        largest_cavity=8.25,
        limiting_diameter=5.5,
        provenance=(*PROVENANCE, *notes),
    )


def printed(part: object, width: int = 200) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(part)
    return console.file.getvalue()


@pytest.fixture
def network(tmp_path, monkeypatch) -> Callable[..., Result]:
    """`mofkmc network my.cif --species Li+` in an empty folder, with a framework and a network made beforehand."""

    def load(cif: str, *, charge_source: str, **options: object) -> SimpleNamespace:
        if charge_source == "cif":
            raise InputError("charges: the CIF has none")
        charges = np.array([1.0, -1.0]) if charge_source == "table" else np.array([0.5, -0.5])
        return SimpleNamespace(name="my", provenance=PROVENANCE, charges=charges)

    def energies(framework: SimpleNamespace, species: object, settings: object) -> np.ndarray:
        return np.array([[0.2, 0.3, np.nan]])

    monkeypatch.chdir(tmp_path)
    Path("my.cif").touch()
    monkeypatch.setattr(network_source, "load_framework", load)
    monkeypatch.setattr(network_source, "cached_network", lambda *args, **options: pores())
    monkeypatch.setattr(network_comparison, "percolation_energies", energies)
    monkeypatch.setattr(network_output, "write_landscapes", lambda *args: [])
    return lambda *options: CliRunner().invoke(main, ["network", "my.cif", "--species", "Li+", *options])


def test_the_command_says_what_was_done_and_writes_every_file(network):
    result = network()
    assert result.exit_code == 0, result.output
    words = (
        "4 x H2O removed",
        "charges from EQeq",
        "Largest cavity 8.2 Å",
        "can cross the crystal 5.5 Å",
        "0.400",
        "never",
        "Written to results/my_network",
    )
    for text in words:
        assert text in result.output
    assert "merged into neighbours" not in result.output
    assert "What the choice of charges does" not in result.output, "there are no others than those in use"
    folder = Path("results/my_network")
    names = {"network.h5", "network.cif", "network.xyz", "network.html", "network.png"}
    names |= {"percolation.csv", "sites.csv", "hops.csv", "remarks.txt"}
    assert {path.name for path in folder.iterdir()} == names
    assert "merged into neighbours" in (folder / "remarks.txt").read_text()
    hops = pd.read_csv(folder / "hops.csv")
    assert hops["barrier (eV)"].tolist() == pytest.approx([0.3, 0.4])
    assert PoreNetwork.load(folder / "network.h5").content_hash == pores().content_hash


def test_a_network_is_replaced_only_by_force(network):
    assert network().exit_code == 0
    again = network()
    assert again.exit_code == 2
    assert "--force" in again.stderr
    assert network("--force", "--no-charge-sets").exit_code == 0


def test_convergence_is_asked_for_and_stated(network):
    result = network("--converge")
    assert result.exit_code == 0, result.output
    assert "Convergence with the energy grid" in result.output
    for spacing in ("0.3", "0.2", "0.15"):
        assert f" {spacing} " in result.output
    assert "All three grids agree: percolation energies within 5 meV" in result.output


@pytest.fixture
def of_oxide(tmp_path, monkeypatch) -> Callable[..., Result]:
    """`mofkmc network --eps-r 1` with networks that are really built, of a cubic array without symmetry."""

    def command(side: float, *options: str) -> Result:
        framework = oxide(
            cell=side * np.eye(3),
            frac_coords=np.array([[0.07, 0.11, 0.09]]),
            rotations=np.eye(3, dtype=int)[None],
            translations=np.zeros((1, 3)),
        )
        monkeypatch.setattr(network_source, "load_framework", lambda cif, **options: framework)
        words = ("network", "my.cif", "--species", "Li+", "--eps-r", "1", "--no-charge-sets", "--converge", *options)
        return CliRunner().invoke(main, words)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MOFKMC_CACHE", str(tmp_path / "cache"))
    Path("my.cif").touch()
    return command


@pytest.mark.validation
def test_grids_that_are_built_agree(of_oxide):
    """The barrier of a cubic array is that of one saddle, refined: the grid need only find it."""
    result = of_oxide(5.0, "--spacing", "0.4")
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.output.split("Convergence with the energy grid")[1].splitlines()]
    rows = [row for row in rows if row[:1] == ["Li+"]]
    assert [row[1:5] for row in rows] == [[spacing, "1", "1", "3"] for spacing in ("0.6", "0.4", "0.3")]
    assert len({tuple(row[5:]) for row in rows}) == 1
    assert "All three grids agree" in result.output


def test_a_grid_without_a_network_costs_no_files_and_is_named(of_oxide):
    """Li+ fits 2.5 Å between oxygens so tightly that the coarsest grid has no point in the middle of its site."""
    result = of_oxide(2.5, "--spacing", "0.5")
    assert result.exit_code == 0, result.output
    told = " ".join(result.output.split())
    assert "Li+ 0.75 failed Li+ 0.5 1 1 3" in told
    assert "The grid asked for is converged: compared with 0.375 Å, at 0.75 Å Li+ fits nowhere in oxide" in told
    assert told.index("Written to") < told.index("Convergence with")
    assert PoreNetwork.load("results/my_network/network.h5").n_sites == 1


def test_grids_of_ions_from_cubes_are_not_compared(network, monkeypatch):
    """A cube has a grid of its own: refused where nothing else is left, else that ion is left out."""
    Path("li.cube").touch()
    monkeypatch.setattr(network_job, "check_cube", lambda *args: None)
    refused = network("--converge", "--cube", "Li+=li.cube")
    assert refused.exit_code == 2
    assert refused.stderr.startswith("mofkmc: --converge: expected an ion whose energies are computed")
    assert refused.stdout == ""
    ions = tuple(SHIPPED_SPECIES[name] for name in ("Li+", "Na+"))
    both = replace(pores(), species=ions, percolation=np.ones((2, 3)))
    asked = []

    def cached(framework: object, species: tuple, settings: object, *, cubes: dict, **options: object) -> PoreNetwork:
        asked.append(([one.name for one in species], cubes))
        return both if len(species) == 2 else replace(pores(), species=species)

    monkeypatch.setattr(network_source, "cached_network", cached)
    mixed = network("--species", "Na+", "--converge", "--cube", "Li+=li.cube")
    assert mixed.exit_code == 0, mixed.output
    assert asked[1:] == [(["Na+"], {})] * 2
    told = mixed.output.split("Convergence with the energy grid")[1]
    assert "Li+" not in told.split("Not compared")[0]
    assert "Not compared: Li+, whose energies come from a file with a grid of its own." in told


def test_a_set_of_charges_that_fails_is_told(network, monkeypatch):
    def energies(*args: object) -> np.ndarray:
        raise InputError("no")

    monkeypatch.setattr(network_comparison, "percolation_energies", energies)
    result = network("--charge", "Zn=1")
    assert result.exit_code == 0, result.output
    assert "table given" in result.output
    assert "failed" in result.output
    assert "table given: no." in result.output


def test_every_line_fits_a_narrow_terminal(network):
    """Tables and lists of a real terminal of 60 columns."""
    for part in (percolation_table(pores()), site_table(pores(), 300.0), hop_table(pores(), 300.0)):
        assert max(len(line.rstrip()) for line in printed(part, 60).splitlines()) <= 60


def grids(*networks: PoreNetwork) -> list[GridResult]:
    """Results of three grids for the only ion."""
    return [
        GridResult("Li+", spacing, species_summaries(network)[0])
        for spacing, network in zip((0.3, 0.2, 0.15), networks, strict=True)
    ]


@pytest.mark.parametrize(
    ("levels", "words"),
    [
        ((0.400, 0.402, 0.401), "All three grids agree"),
        ((0.430, 0.402, 0.401), "The grid asked for is converged"),
        ((0.402, 0.430, 0.401), "The grid asked for is not converged"),
    ],
)
def test_grids_agree_within_a_few_mev(levels, words):
    said = agreement(grids(*(replace(pores(), percolation=np.array([[level, np.nan, np.nan]])) for level in levels)))
    assert said.startswith(words)
    assert ("Li+ crosses at an energy other by 29 meV" in said) == (words != "All three grids agree")


def test_a_direction_crossed_on_one_grid_only_is_told():
    """Without a common direction there is no difference to give in meV."""
    never, once = (replace(pores(), percolation=np.array([[level, np.nan, np.nan]])) for level in (np.nan, 0.4))
    assert "at 0.2 Å Li+ crosses in 0 instead of 1 directions" in agreement(grids(once, never, once))


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (0.3, "The grid asked for is converged: compared with 0.15 Å, at 0.3 Å Li+ fits nowhere."),
        (0.15, "The grid asked for is not converged: at 0.15 Å Li+ fits nowhere."),
    ],
)
def test_a_grid_without_a_network_does_not_agree(broken, words):
    results = [
        GridResult("Li+", grid.spacing, None, "Li+ fits nowhere") if grid.spacing == broken else grid
        for grid in grids(pores(), pores(), pores())
    ]
    assert agreement(results) == words
    assert f"Li+ {broken:g} failed" in " ".join(printed(convergence_table(results)).split())


def test_grids_with_another_number_of_sites_do_not_agree():
    three = chain(np.zeros(3), np.full(3, 0.4), species=(SHIPPED_SPECIES["Li+"],))
    three = replace(three, percolation=pores().percolation)
    said = agreement(grids(pores(), three, pores()))
    assert "not converged" in said
    assert "Li+ has 3 sites instead of 2" in said


def test_charges_in_use_have_the_energies_of_the_network_and_others_are_computed(network):
    """Auto takes the table, which gives the network; EQeq would give others; the CIF has none."""
    result = network("--charge", "Zn=1")
    table = result.output[result.output.index("What the choice of charges does") :]
    rows = [line.split() for line in table.splitlines() if "Li+" in line][:2]
    assert rows == [
        ["table", "given", "Li+", "0.200", "0.300", "never"],
        ["EQeq,", "in", "use", "Li+", "0.400", "never", "never"],
    ]
    assert "of the CIF" not in table.split("Landscape")[0]


def test_a_landscape_computed_for_the_network_is_not_computed_again(network, monkeypatch):
    """Two ions: one energy is handed over, the other one came from the cache and is computed for its file."""
    handed, computed = np.zeros((2, 2, 2)), np.ones((2, 2, 2))

    def build(*args, energies, **options):
        energies["Li+"] = handed
        return pores()

    written = {}
    monkeypatch.setattr(network_source, "cached_network", build)
    monkeypatch.setattr(network_output, "write_landscapes", write_landscapes)
    monkeypatch.setattr(network_output, "ion_landscape", lambda *args: SimpleNamespace(energy=computed))
    monkeypatch.setattr(network_output, "write_cube", lambda path, framework, energy, _: written.update({path: energy}))
    result = NetworkResult(
        source_of_request(NetworkRequest("my.cif", ("Li+", "Na+"))), SimpleNamespace(name="x"), pores(), {"Li+": handed}
    )
    assert write_landscapes(result, ResultsFolder(Path("out")), lambda what, fraction: None) == ["Li+.cube", "Na+.cube"]
    assert list(written.values()) == [handed, computed]
    written.clear()
    assert network("--no-charge-sets").exit_code == 0
    assert list(written.values()) == [handed]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--charges", "table"), "--charges table: expected a table of charges; found none"),
        (("--charges", "cif"), "--charges cif: the charges of the CIF cannot be used: there are none"),
        (("--charge", "Zn=1"), "--charge: Zn matches no atom; expected one of H, O or an atom label"),
        (("--net-charge", "3"), "--net-charge: net charge of a formula unit: expected 3 e; the charges sum to 0.000 e"),
        (("--charge", "H=1"), "--charge: expected a value for every atom class; found none for O (1 atom)"),
    ],
)
def test_faults_of_charges_name_options_and_not_the_keys_of_a_deck(tmp_path, monkeypatch, arguments, line):
    def load(*args, charge_source, charges, net_charge, **options):
        crystal = Crystal(
            np.eye(3) * 9.0, np.array([[0.0, 0, 0], [0.5, 0.5, 0.5]]), ("O", "H"), ("O1", "H1"), np.zeros(2)
        )
        table = {"O": 0.5, "H": -0.5} if net_charge else charges
        assign_charges(
            crystal, crystal.symbols, np.arange(2), 1, table=table, source=charge_source, net_charge=net_charge or 0.0
        )

    monkeypatch.chdir(tmp_path)
    Path("my.cif").touch()
    monkeypatch.setattr(network_source, "load_framework", load)
    result = CliRunner().invoke(main, ["network", "my.cif", "--species", "Li+", *arguments])
    assert result.exit_code == 2
    assert result.stderr.startswith(f"mofkmc: {line}")
    assert result.output == result.stderr


def test_every_subject_of_a_fault_has_a_key_and_an_option():
    """Subjects as the sources write them; a fault of the framework goes by its subject, whatever its words are."""
    root = Path(__file__).parents[1]
    sources = [path.read_text("utf-8") for part in ("structures", "lattice") for path in (root / part).glob("*.py")]
    calls = [node for text in sources for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    subjects = {
        keyword.value.value
        for call in calls
        for keyword in call.keywords
        if keyword.arg == "about" and isinstance(keyword.value, ast.Constant)
    }
    by_kind = {"missing_nodes", "missing_linkers"}  # of a table in structures/defects.py
    assert subjects | {"", *by_kind} == set(NAMES) == set(get_args(About))
    for about, (key, option) in NAMES.items():
        error = InputError("reworded", about=about)
        assert fault_with_key(error) == f"[structure] {key}: reworded"
        assert fault_with_option(error) == (f"{option}: reworded" if about else "reworded")
        assert pickle.loads(pickle.dumps(error)).about == about


@pytest.mark.parametrize("net_charge", [1e3, float("nan")])
def test_an_impossible_net_charge_is_not_a_fault_of_the_file(net_charge):
    with pytest.raises(InputError) as caught:
        load_framework("mof5", net_charge=net_charge)
    assert fault_with_key(caught.value).startswith("[structure] net_charge must be a charge in e")
    assert fault_with_option(caught.value).startswith("--net-charge must be a charge in e")


def test_a_cube_that_does_not_fit_is_refused_before_anything_is_printed(network, tmp_path):
    (tmp_path / "li.cube").write_text("energy in eV\n\n")
    result = network("--cube", "Li+=li.cube")
    assert result.exit_code == 2
    assert result.stderr.startswith("mofkmc: --cube Li+: li.cube: expected a Gaussian cube file, found the end of")
    assert result.stdout == ""


def test_prefactors_are_those_of_either_end():
    """k = exp(-barrier/kT) times the prefactor, from both ends; here the prefactor is one attempt frequency."""
    frame = hop_frame(pores(), 300.0)
    assert prefactor_name(pores(), 300.0) == ("prefactor at 300 K", "nu")
    assert frame["barrier (eV)"].tolist() == pytest.approx([0.3, 0.4])
    assert frame["back (eV)"].tolist() == pytest.approx([0.2, 0.3])
    assert frame["prefactor at 300 K (nu)"].tolist() == pytest.approx([1.0, 1.0])
    constant = np.exp(-frame["back (eV)"] / (BOLTZMANN * 300.0)) * frame["back prefactor at 300 K (nu)"]
    assert constant.to_numpy() == pytest.approx(np.exp(-np.array([0.2, 0.3]) / (BOLTZMANN * 300.0)))


def test_numbers_of_the_user_are_marked_in_every_table():
    changed = override_network(pores(), [SiteOverride("Li+", 0.05, orbit=1), HopOverride("Li+", orbit=0, barrier=0.35)])
    sites, hops = printed(site_table(changed, 300.0)), printed(hop_table(changed, 300.0))
    assert "0.050*" in sites
    assert "0.350*" in hops
    assert "0.400*" not in hops
    for text in (sites, hops):
        assert "* given by the user, not computed." in text
    assert "*" not in printed(site_table(pores(), 300.0))


def test_the_provenance_is_sorted_into_groups():
    groups, log = network_assumptions(pores(), SimpleNamespace(provenance=PROVENANCE))
    assert groups["structure"] == list(PROVENANCE[:2])
    assert groups["charges"] == list(PROVENANCE[2:])
    assert groups["landscape"][0] == "landscape: computed"
    assert groups["landscape"][1].startswith("Li+: LJ")
    assert log == ["Li+: merged into neighbours: 4 basins"]


def test_a_network_without_hops_has_empty_tables():
    """Two sites that nothing connects: the headings are there all the same."""
    apart = pores()
    fields = ("origin", "target", "image", "saddle", "orbit", "reverse", "log_conductance", "vector", "overridden")
    none = {name: getattr(apart, name)[:0] for name in (f"hop_{one}" for one in fields) if name in apart.__slots__}
    frame = hop_frame(replace(apart, **none), 300.0)
    assert len(frame) == 0
    assert frame.columns.tolist() == hop_frame(apart, 300.0).columns.tolist()
    assert "barrier, eV" in printed(hop_table(replace(apart, **none), 300.0))


@pytest.mark.parametrize(("cubes", "there"), [({}, False), ({"Li+": "li.cube"}, True)])
def test_the_permittivity_is_not_said_to_screen_the_energies_of_a_file(cubes, there):
    table = SimpleNamespace(permittivity=10.0, cube=cubes)
    line = screening_line(SimpleNamespace(deck=SimpleNamespace(landscape=table)))
    assert line.startswith("eps_r 10 screens all Coulomb energies")
    assert ("except in the landscape of Li+" in line) == there


SITES = """name: simple cubic
cell_A: [4.0, 4.0, 4.0]
space_group: Pm-3m
framework_charge_e: -1
sites:
  - {label: A, species: Li+, frac: [0, 0, 0], energy_eV: 0.0}
hops:
  - {from: A, to: A, max_distance_A: 4.0, barrier_eV: 0.30, prefactor_Hz: 5.0e+12}
"""


def test_a_list_of_sites_stands_for_a_cif(tmp_path, monkeypatch):
    """One site with six neighbours, 3 hops per cell; the given 5e12 /s are 5 attempt frequencies."""
    monkeypatch.chdir(tmp_path)
    Path("sites.yaml").write_text(SITES)
    result = CliRunner().invoke(main, ["network", "sites.yaml", "--species", "Li+"])
    assert result.exit_code == 0, result.output
    for words in ("5.0e+00", "0.300", "framework charge -1 e per cell, given"):
        assert words in result.output
    assert "nan" not in result.output
    assert PoreNetwork.load("results/sites_network/network.h5").n_sites == 1


@pytest.mark.parametrize(
    "option",
    [
        ("--converge",), ("--cube", "Li+=li.cube"), ("--rates", "harmonic_tst"), ("--spacing", "0.1"),
        ("--cell", "primitive"), ("--charge", "O=-1"), ("--net-charge", "0"), ("--charges", "eqeq"),
        ("--persistence-kT", "3"), ("--orientations", "9"),
    ],
)  # fmt: skip
def test_options_that_a_list_of_sites_has_no_use_for_are_refused(tmp_path, monkeypatch, option):
    monkeypatch.chdir(tmp_path)
    Path("sites.yaml").write_text(SITES)
    result = CliRunner().invoke(main, ["network", "sites.yaml", "--species", "Li+", *option])
    assert result.exit_code == 2
    assert result.stderr == (f"mofkmc: {option[0]}: expected no such option, because sites.yaml gives sites and hops\n")


def test_a_deck_says_everything_that_decides_its_network(tmp_path):
    """Temperatures of the whole scan, rate model, and the numbers of the user with what they are about."""
    override = '[[override.hop]]\nspecies = "Li+"\nlabels = ["N", "mu-O"]\nbarrier_eV = 0.3\n'
    site = '[[override.site]]\nspecies = "Li+"\norbit = 2\nenergy_eV = 0.1\n'
    changes = (("[kmc]\n", f"{override}{site}[kmc]\n"), ("permittivity = 10", "permittivity = [10, 10, 5]"))
    source = source_of_deck(read_deck(write_deck(tmp_path, *changes)))
    assert source.settings.temperatures == (233.15, 373.15)
    assert source.settings.rate_model == "attempt_frequency"
    assert np.diag(source.settings.permittivity).tolist() == [10, 10, 5]
    assert source.attempt_frequency == 1e12
    assert source.overrides == (
        SiteOverride("Li+", 0.1, orbit=2),
        HopOverride("Li+", labels=("N", "mu-O"), barrier=0.3),
    )
    changes = (('model = "attempt_frequency"\nattempt_frequency_Hz = 1e12', 'model = "flux_tst"'),)
    assert source_of_deck(read_deck(write_deck(tmp_path, *changes))).attempt_frequency is None


def test_two_ions_have_their_own_rows():
    both = simple_cubic(species=(ion("Li+"), ion("Me2NH2+")), permittivity=10.0)
    text = printed(site_table(both, 300.0))
    assert text.count("Li+") == 1
    assert text.count("Me2NH2+") == 1
