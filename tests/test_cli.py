"""The command line: every mistake is one line on stderr, status 2, and nothing is written."""

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import pytest
from click.testing import CliRunner, Result
from decks import DECK, changed, write_deck
from lattices import ion, simple_cubic

import structures
from lattice.builder import build_network
from lattice.network import PoreNetwork
from lattice.rate_models import RATE_MODELS, RateModel
from lattice.supercell import memory_of_tables, table_bytes
from runs import deck, folder, job, network_source
from runs.cli import main
from runs.deck_file import SHIPPED_DECKS, read_deck
from runs.faults import fault_line, writing
from runs.network_request import NetworkRequest, with_defaults
from runs.run_request import RunRequest
from runs.schedule import Outcome
from structures.charges import ChargeSource
from structures.cif import load_framework
from structures.species import SHIPPED_SPECIES


def network(charge: float = -1.0) -> PoreNetwork:
    made = simple_cubic(species=(ion("Li+"), ion("Me2NH2+")), permittivity=10.0)
    return replace(made, cell=10 * made.cell, framework_charge=charge, accessible_volume=500.0)


@pytest.fixture
def call(tmp_path, monkeypatch) -> Callable[..., Result]:
    """Run the command line in an empty folder, with a network that takes no time to build."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(network_source, "cached_network", lambda *args, **options: network())
    monkeypatch.setattr(network_source, "load_framework", lambda *args, **options: SimpleNamespace(provenance=()))
    write_deck(tmp_path)
    return lambda *arguments: CliRunner().invoke(main, [str(argument) for argument in arguments])


def refused(result: Result) -> str:
    """The one line of a refusal."""
    assert result.exit_code == 2, result.output
    lines = [line for line in result.stderr.splitlines() if "using the deck" not in line]
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("mofkmc: ")
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return lines[0]


def change(old: str, new: str) -> None:
    Path("deck.toml").write_text(changed((old, new), text=Path("deck.toml").read_text()))


def test_check_prints_every_value_with_its_unit_and_the_size(call):
    result = call("check", "deck.toml", "--no-trial")
    assert result.exit_code == 0, result.output
    for words in (
        "spacing_A",
        "12 (default)",
        "Å",
        "contact radius, Å",
        "eps_r 10",
        "2.5 kT at -40 °C (0.050 eV)",
        "attempt frequency 1e+12 /s for every hop",
        "asked for 0.5",
        "54 (Li+ 27, Me2NH2+ 27)",
        "= 18, 2,000 hops each",
    ):
        assert words in result.output
    assert not Path("results").exists()


def test_a_missing_deck(call):
    assert "nothing.toml: expected a TOML deck" in refused(call("run", "nothing.toml"))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"ni_pacs_sym"', '"none.cif"', "deck.toml:3: [structure] cif: "),
        ('"ni_pacs_sym"', '"none.cif"', "found no such file: none.cif"),
        ("[kmc]", '[landscape.cube]\n"Li+" = "li.cube"\n[kmc]', "[landscape] cube, Li+: expected a Gaussian cube"),
        ('"ni_pacs_sym"', '"empty.cif"', "deck.toml:3: [structure] cif: "),
        ('"ni_pacs_sym"', '"broken.cif"', "deck.toml:3: [structure] cif: "),
        ("net_charge = -2", "net_charge = 9", "deck.toml:5: [structure] net_charge: net charge of a formula unit"),
        ("Ni = 1.2", "Nj = 1.2", "deck.toml:7: [structure] charges: Nj matches no atom"),
        ("[0, 0.5, 1]", "[0, 1.2]", "expected 0 to 1, found 1.2"),
        ("[-40, 25, 100]", "[-400]", "expected -220 to 1200 °C, found -400"),
        ("permittivity = 10", "permitivity = 10", "did you mean permittivity?"),
        ("persistence_kT = 2.5", "persistence_kT = 300", "expected 0 to 20 kT, found 300"),
    ],
)
def test_a_mistake_in_the_deck_or_the_cif(call, monkeypatch, old, new, words):
    monkeypatch.setattr(network_source, "load_framework", load_framework)
    Path("empty.cif").write_text("")
    Path("broken.cif").write_text("data_x\nloop_\n_atom_site_fract_x\n'unterminated\n")
    change(old, new)
    result = call("run", "deck.toml")
    assert result.exit_code == 2
    assert words in result.stderr
    assert all(line.startswith("mofkmc: ") for line in result.stderr.splitlines())
    assert not Path("results").exists()


def test_a_charge_that_no_ions_balance(call, monkeypatch):
    monkeypatch.setattr(network_source, "cached_network", lambda *args, **options: network(0.0))
    assert "expected a framework whose charge Li+ balances" in refused(call("run", "deck.toml"))
    assert not Path("results").exists()


def test_more_ions_than_sites(call, monkeypatch):
    monkeypatch.setattr(network_source, "cached_network", lambda *args, **options: network(-2.0))
    assert "expected at most 27 Me2NH2+" in refused(call("run", "deck.toml"))


def tube(side: int) -> str:
    """CIF of square tubes along z, walls of Si atoms 2.4 Å apart and `side` atoms wide."""
    wall = [(x, y) for x in range(side) for y in range(side) if 0 in (x, y)]
    atoms = "\n".join(f"Si{n} Si {x / side:.6f} {y / side:.6f} 0" for n, (x, y) in enumerate(wall))
    lengths = "".join(f"_cell_length_{name} {2.4 * n}\n" for name, n in zip("abc", (side, side, 1), strict=True))
    angles = "".join(f"_cell_angle_{name} 90\n" for name in ("alpha", "beta", "gamma"))
    columns = "\n".join(f"_atom_site_{name}" for name in ("label", "type_symbol", "fract_x", "fract_y", "fract_z"))
    return f"data_tube\n{lengths}{angles}loop_\n{columns}\n{atoms}\n"


@pytest.mark.parametrize(
    ("side", "words"),
    [
        (5, "mofkmc: deck.toml: Li+ crosses the crystal in 1 direction; expected at least 3"),
        (1, "mofkmc: deck.toml: Li+ fits nowhere in tube: the largest cavity is"),
    ],
)
def test_a_real_framework_that_the_ions_cannot_cross_or_enter(call, monkeypatch, side, words):
    """Tubes of 12 Å let Li+ along z alone; in tubes of 2.4 Å the walls touch."""
    monkeypatch.setattr(network_source, "load_framework", load_framework)
    monkeypatch.setattr(network_source, "cached_network", lambda *given, **options: build_network(*given))
    Path("tube.cif").write_text(tube(side))
    change("spacing_A = 0.2", "spacing_A = 0.5")
    text = Path("deck.toml").read_text().replace("net_charge = -2", "").replace("ni_pacs_sym", "tube.cif")
    head, tail = text.split("[structure.charges]")
    Path("deck.toml").write_text(head + "[structure.charges]\nSi = 0.0\n" + tail[tail.index("[species") :])
    assert refused(call("run", "deck.toml")).startswith(words)
    assert not Path("results").exists()


def test_a_supercell_in_which_an_ion_meets_its_own_image(call, monkeypatch):
    made = network()
    own = replace(
        made, exclusion_a=[*made.exclusion_a, 0, 0], exclusion_b=[*made.exclusion_b, 0, 0],
        exclusion_image=[*made.exclusion_image, [1, 0, 0], [-1, 0, 0]],
    )  # fmt: skip
    monkeypatch.setattr(network_source, "cached_network", lambda *args, **options: own)
    change("[3, 3, 3]", "[1, 3, 3]")
    assert "supercell (1, 3, 3) is too small" in refused(call("run", "deck.toml"))


def test_a_table_that_does_not_fit_in_memory(call, monkeypatch):
    monkeypatch.setattr("lattice.supercell.available_memory", lambda: 1000)
    assert "GiB" in refused(call("run", "deck.toml"))
    assert not Path("results").exists()


@pytest.mark.parametrize("command", ["run", "check"])
def test_every_thread_needs_a_table_of_its_own(call, monkeypatch, command):
    """Memory for the common table and three threads is not enough for four; 100 threads would run the 18 tasks."""
    monkeypatch.setattr(job, "run_job", lambda file, request: job.check_job(file, threads=request.threads))
    enough = memory_of_tables(network(), (3, 3, 3), 3)
    assert enough > 7 * table_bytes(network(), (3, 3, 3))
    monkeypatch.setattr("lattice.supercell.available_memory", lambda: enough)
    assert call(command, "deck.toml", "--threads", "3").exit_code == 0
    assert "of 4 simultaneous tasks" in refused(call(command, "deck.toml", "--threads", "4"))
    assert "of 18 simultaneous tasks" in refused(call(command, "deck.toml", "--threads", "100"))


def test_a_run_goes_on_where_it_was_and_force_replaces_only_our_files(call, monkeypatch):
    """`--force` leaves foreign folders alone altogether, and foreign files in our own."""
    monkeypatch.setattr(job, "simulate", lambda job, model, setting: (model, Outcome()))
    monkeypatch.setattr(job, "present", lambda *given: None)
    assert call("run", "deck.toml").exit_code == 0
    results = Path("results/deck")
    (results / "notes.txt").write_text("mine")
    (results / "tasks" / "old.h5").write_text("old")
    assert call("run", "deck.toml").exit_code == 0
    assert (results / "tasks" / "old.h5").exists()
    change("replicas = 2", "replicas = 3")
    changed = call("run", "deck.toml")
    assert changed.exit_code == 2
    assert "[scan] replicas: 2 before, 3 now" in changed.stderr
    assert "--force" in changed.stderr
    assert (results / "tasks" / "old.h5").exists()
    assert call("run", "deck.toml", "--force").exit_code == 0
    assert (results / "notes.txt").read_text() == "mine"
    assert not (results / "tasks" / "old.h5").exists()

    foreign = Path("foreign")
    foreign.mkdir()
    (foreign / "deck.toml").write_text(DECK)
    assert "--force replaces only results of mofkmc" in refused(
        call("run", "deck.toml", "--output", "foreign", "--force")
    )
    assert (foreign / "deck.toml").read_text() == DECK


def test_the_options_of_a_run_become_its_request(call, monkeypatch):
    """What is not given is left to the run; the deck that is run has what was added to it."""
    seen = []
    monkeypatch.setattr(job, "run_job", lambda file, request: seen.append((file, request)) or 0)
    assert call("run", "deck.toml").exit_code == 0
    assert seen[0][1] == RunRequest(Path("results/deck"))
    extension = ("--extend", "replicas=5", "--extend", "temperatures_C=50,60")
    options = ("--output", "out", "--fork", "new", "--threads", "3", "--time-limit", "1-02:03:04", "-q", "--force")
    assert call("run", "deck.toml", *extension, *options).exit_code == 0
    file, request = seen[1]
    assert (file.deck.scan.replicas, file.deck.scan.temperatures_C) == (5, (-40, 25, 100, 50, 60))
    assert request == RunRequest(
        Path("out"), force=True, fork=Path("new"), extend={"replicas": (5.0,), "temperatures_C": (50.0, 60.0)},
        threads=3, time_limit_s=((24 + 2) * 60 + 3) * 60 + 4, quiet=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--time-limit", "23:61:00"), "expected a time such as 23:50:00"),
        (("--time-limit", "0s"), "expected a time such as 23:50:00"),
        (("--time-limit", "30"), "found '30'"),
        (("--extend", "replica=4"), "expected one of replicas, exchange_fractions"),
        (("--extend", "replicas=4.5"), "expected replicas=WHOLE NUMBER, found 'replicas=4.5'"),
        (("--extend", "replicas=4,5"), "expected replicas=WHOLE NUMBER"),
        (("--extend", "replicas="), "expected replicas=NUMBER"),
        (("--extend", "replicas=4", "--extend", "replicas=5"), "expected replicas once"),
        (("--extend", "temperatures_C=nan"), "expected temperatures_C=NUMBER"),
    ],
)
def test_run_refuses_an_option_that_it_cannot_read(call, arguments, words):
    result = call("run", "deck.toml", *arguments)
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.split())
    assert not Path("results").exists()


@pytest.mark.parametrize(("text", "seconds"), [("23:50:00", 85800), ("90m", 5400), ("1.5h", 5400), ("2d", 172800)])
def test_times_are_read(call, monkeypatch, text, seconds):
    seen = []
    monkeypatch.setattr(job, "run_job", lambda file, request: seen.append(request.time_limit_s) or 0)
    assert call("run", "deck.toml", "--time-limit", text).exit_code == 0
    assert seen == [seconds]


def test_of_several_processes_the_first_one_speaks(call, monkeypatch):
    """All of them have the same wrong option; a launcher would print it as often as there are processes."""
    monkeypatch.setenv("PMI_SIZE", "3")
    monkeypatch.setenv("PMI_RANK", "0")
    first = call("run", "deck.toml", "--nonsense")
    monkeypatch.setenv("PMI_RANK", "1")
    second = call("run", "deck.toml", "--nonsense")
    assert (first.exit_code, second.exit_code) == (2, 2)
    assert "No such option" in first.stderr
    assert second.output == ""


def test_an_output_that_is_a_file(call):
    assert "found a file" in refused(call("run", "deck.toml", "--output", "deck.toml"))


def test_a_read_only_output_folder_is_refused_before_anything_is_computed(call, monkeypatch):
    def deny(*args, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(folder.tempfile, "TemporaryFile", deny)
    monkeypatch.setattr(
        network_source, "load_framework", lambda *args, **options: pytest.fail("computed before the check")
    )
    assert "expected a folder that can be written, found: Permission denied" in refused(call("run", "deck.toml"))


def test_an_interrupt_before_the_first_task(call, monkeypatch):
    def interrupt(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(network_source, "cached_network", interrupt)
    result = call("run", "deck.toml")
    assert result.exit_code == 130
    assert result.stderr == "mofkmc: interrupted; no task has begun: resume with the same command\n"
    assert not Path("results").exists()


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(28, "No space left on device", "results/network.h5"), "results/network.h5: No space left on device"),
        (OSError(18, "Invalid cross-device link", "a.part", None, "a.h5"), "a.h5: Invalid cross-device link"),
        (OSError("Unable to open object\nsecond line"), "Unable to open object"),
        (MemoryError("Unable to allocate 9 GiB"), "not enough memory: Unable to allocate 9 GiB"),
        (MemoryError(), "not enough memory"),
    ],
)
def test_what_the_system_refuses_is_one_line_with_file_and_reason(call, monkeypatch, error, line):
    def fail(*args, **options):
        raise error

    monkeypatch.setattr(network_source, "cached_network", fail)
    assert refused(call("run", "deck.toml")) == f"mofkmc: {line}"


def test_an_error_without_a_file_gets_the_one_that_was_being_written():
    with pytest.raises(OSError, match="No space left") as caught, writing(Path("x.csv")):
        raise OSError(28, "No space left on device")
    assert fault_line(caught.value) == "x.csv: No space left on device"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--species", "X+"], f"expected one of {', '.join(SHIPPED_SPECIES)}, found X+"),
        (["--species", "Li+", "--species", "Li+"], "expected different ions"),
        (["--species", "Li+", "--cube", "Na+=na.cube"], "--cube: expected one of Li+, found Na+"),
    ],
)
def test_network_refuses_unknown_ions(call, arguments, words):
    assert words in refused(call("network", "mof5", *arguments))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--charge", "Zn"], "expected CLASS=CHARGE"),
        (["--cube", "li.cube"], "expected ION=FILE"),
        (
            ["--eps-r", "ten"],
            "expected a number, 3 numbers such as 10,10,6, or the 9 of a symmetric tensor, found 'ten'",
        ),
        (["--eps-r", "10,10"], "found 2 numbers"),
        (["--eps-r", "10,10,0"], "must lie between 1 and 10000 in every direction; got principal values 0, 10, 10"),
        (["--eps-r", "9,1,0,0,9,0,0,0,9"], "must be a symmetric tensor; got 1 in row 1, column 2"),
    ],
)
def test_network_refuses_an_option_that_it_cannot_read(call, arguments, words):
    result = call("network", "mof5", "--species", "Li+", *arguments)
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.split())
    assert not Path("results").exists()


@pytest.mark.parametrize(
    ("cif", "deck"), [("mof5", "mof5"), ("ni_pacs_sym", "ni_mof"), ("ni_pacs_disordered", "ni_mof"), ("my.cif", None)]
)
def test_a_shipped_structure_takes_the_charges_of_the_deck_of_its_compound(cif, deck):
    """Both forms of the Ni-MOF state the same formula; what is given stays, and a file of the user gets nothing."""
    filled, remarks = with_defaults(NetworkRequest(cif=cif, species=("Li+",), net_charge=-1.0))
    assert filled.net_charge == -1.0
    if deck is None:
        assert (filled.charges, remarks) == ({}, ())
    else:
        structure = read_deck(SHIPPED_DECKS / f"{deck}.toml").deck.structure
        assert (filled.charges, filled.cell) == (structure.charges, structure.cell)
        assert remarks == (f"charges, cell as in the shipped deck {deck}",)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("none.cif", "found no such file"),
        ("fodler/my.cif", "found no such file"),
        ("mof", "did you mean mof5?"),
        ("my_mof.cif", "did you mean my-mof.cif?"),
        (".", "found a folder"),
    ],
)
def test_a_structure_that_is_not_there_is_refused_before_anything_heavy_is_imported(call, given, words):
    Path("my-mof.cif").write_text("data_x\n")
    line = refused(call("network", given, "--species", "Li+"))
    assert line.startswith(f"mofkmc: {given}: expected a CIF, a YAML list of sites or the name of a shipped structure")
    assert words in line


def heavy_imports(folder: Path, code: str) -> tuple[int, str]:
    """Status of a program, and which of the heavy packages it has imported at its end."""
    heavy = {"numba", "scipy", "ase", "gemmi", "pandas", "matplotlib", "pymatgen", "spglib"}
    at_end = f"import atexit, sys; atexit.register(lambda: print(sorted({heavy} & set(sys.modules))))\n"
    done = subprocess.run([sys.executable, "-c", at_end + code], cwd=folder, capture_output=True, text=True)
    return done.returncode, done.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--help"], 0),
        (["init", "ni_mof"], 0),
        (["run", "none.toml"], 2),
        (["network", "none.cif", "--species", "Li+"], 2),
        (["network", "mof5", "--species", "Li+", "--output", "."], 2),
    ],
)
def test_what_needs_no_calculation_imports_none(tmp_path, arguments, status):
    (tmp_path / "in_use.txt").write_text("")
    assert heavy_imports(tmp_path, f"from runs.cli import main; main({arguments!r})") == (status, "[]")


def test_a_job_imports_what_reads_crystals_and_analyses_only_where_it_is_needed(tmp_path):
    """The engine needs numba and scipy; of many ranks only the first needs more."""
    assert heavy_imports(tmp_path, "import runs.job") == (0, "['numba', 'scipy']")


def test_pymatgen_is_imported_only_by_those_who_hand_over_its_structures():
    """It takes a second or two; what is indented is imported when it is asked for, or for annotations alone."""
    root = Path(structures.__file__).parent.parent
    for package in ("structures", "lattice", "kmc", "analysis", "runs"):
        for path in (root / package).glob("*.py"):
            assert not re.search(r"^(from|import) pymatgen", path.read_text(encoding="utf-8"), re.MULTILINE), path


def test_the_choices_of_the_command_line_are_those_of_the_packages():
    options = {parameter.name: parameter.type for parameter in main.commands["network"].params}
    assert tuple(options["rates"].choices) == get_args(RateModel) == tuple(RATE_MODELS)
    assert tuple(options["charge_source"].choices) == get_args(ChargeSource) == get_args(deck.ChargeSource)


@pytest.mark.parametrize("command", [[], *([name] for name in main.commands)])
def test_help_has_examples(command):
    result = CliRunner().invoke(main, [*command, "--help"])
    assert result.exit_code == 0
    assert "Examples:" in result.output


def test_a_network_never_replaces_a_run(tmp_path):
    run = tmp_path / "run"
    (run / "tasks").mkdir(parents=True)
    (run / "tasks" / "kept.h5").write_text("kept")
    outcome = CliRunner().invoke(main, ["network", "mof5", "--species", "Li+", "--output", str(run), "--force"])
    assert outcome.exit_code == 2
    assert "expected a folder for a network, found a run" in outcome.output
    assert (run / "tasks" / "kept.h5").read_text() == "kept"
