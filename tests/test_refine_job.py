"""Refinement of a network against energies known in closed form, and its restart."""

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cosine_calculator import calculator_file, two_site_network

from lattice.network import PoreNetwork
from runs.refine_job import RefineRequest, refine_job
from structures.errors import InputError

A, B = 0.3, 0.05


def prepared(folder: Path) -> RefineRequest:
    """A network with wrong energies and a calculator that knows the right ones."""
    two_site_network().save(folder / "network.h5")
    return RefineRequest(folder / "network.h5", f"{calculator_file(folder, A, B)}:fresh", fmax=0.005)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> RefineRequest:
    """A refinement that is done; to be read, not changed."""
    request = prepared(tmp_path_factory.mktemp("finished"))
    assert refine_job(request) == 0
    return request


@pytest.fixture
def request_(tmp_path) -> RefineRequest:
    return prepared(tmp_path)


def refined(request: RefineRequest) -> PoreNetwork:
    return PoreNetwork.load((request.output or request.network.parent / "refined") / "network.h5")


def calls(request: RefineRequest) -> int:
    log = request.network.parent / "calls"
    return len(log.read_text().splitlines()) if log.exists() else 0


def table(request: RefineRequest, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader((request.network.parent / "refined" / name).read_text().splitlines()))


def by_orbit(network: PoreNetwork) -> np.ndarray:
    return network.hop_saddle[np.unique(network.hop_orbit, return_index=True)[1]]


def check_exact(network: PoreNetwork) -> None:
    """Minima -3A ∓ B; saddles 2A above them along y and z, and at -A + B²/8A along x; the lowest site at -1.2 eV."""
    shift = -1.2 - (-3 * A - B)
    np.testing.assert_allclose(network.site_energy - shift, [-3 * A - B, -3 * A + B], atol=1e-3)
    along_x = -A + B**2 / (8 * A)
    expected = [along_x, along_x, *[-A - B] * 2, *[-A + B] * 2]
    np.testing.assert_allclose(by_orbit(network) - shift, expected, atol=1e-3)


def test_wrong_energies_become_exact(finished):
    network = refined(finished)
    check_exact(network)
    assert network.site_overridden.all()
    assert network.hop_overridden.all()
    # 1D along y and z over 2A, 3D when x is crossed too, all from the deeper row of sites
    np.testing.assert_allclose(network.percolation[0] + 1.2, [2 * A, 2 * A, 2 * A + B + B**2 / (8 * A)], atol=1e-3)
    assert any("cosine.py:fresh" in line for line in network.provenance)


def test_both_directions_keep_detailed_balance(finished):
    network, old = refined(finished), two_site_network()
    beta = 1 / (8.617333262e-5 * network.temperatures)
    np.testing.assert_allclose(network.site_log_partition, -np.outer(network.site_energy, beta), atol=1e-12)
    np.testing.assert_allclose(network.hop_log_conductance, -np.outer(network.hop_saddle, beta), atol=1e-12)
    assert np.array_equal(network.hop_orbit, old.hop_orbit)


def test_one_calculator_for_all_images_gives_the_same(request_):
    single = replace(request_, calculator=request_.calculator.replace("fresh", "calculator"))
    assert refine_job(single) == 0
    check_exact(refined(single))


def test_tables_as_csv(finished):
    folder = finished.network.parent / "refined"
    sites, hops = table(finished, "sites.csv"), table(finished, "hops.csv")
    assert [float(row["old_above_deepest_eV"]) for row in sites] == pytest.approx([0.2, 0.0])
    assert [float(row["new_above_deepest_eV"]) for row in sites] == pytest.approx([0.0, 2 * B], abs=1e-3)
    assert float(hops[0]["new_barrier_eV"]) - float(hops[0]["new_back_eV"]) == pytest.approx(2 * B, abs=1e-3)
    assert all((folder / row["structure"]).is_file() for row in (*sites, *hops))


def test_a_second_run_computes_nothing(finished, capsys):
    before = calls(finished)
    assert refine_job(finished) == 0
    assert calls(finished) == before
    check_exact(refined(finished))
    assert "Hops, old and new barriers" in capsys.readouterr().out


def test_an_interruption_loses_one_calculation(request_, capsys):
    """Interrupted in the third calculation; what the second run computes is exactly what its new parts report."""
    file = Path(request_.calculator.partition(":")[0])
    log = request_.network.parent / "calls"
    stop = request_.network.parent / "stop"
    file.write_text(
        file.read_text()
        + f"""
class Stopping(CosineCalculator):
    def calculate(self, *arguments):
        if Path({str(stop)!r}).exists() and len(list(Path({str(log.parent)!r}).glob("refined/parts/*.json"))) == 2:
            raise KeyboardInterrupt
        super().calculate(*arguments)
def stopping():
    return Stopping(A={A}, B={B}, log=Path({str(log)!r}))
"""
    )
    stop.touch()
    stopping = replace(request_, calculator=f"{file}:stopping")
    assert refine_job(stopping) == 130
    assert "interrupted; what is finished is kept in" in capsys.readouterr().err
    parts = {path.name: path.stat().st_mtime_ns for path in log.parent.glob("refined/parts/*.json")}
    assert sorted(parts) == ["site-0.json", "site-1.json"]
    first = calls(request_)
    stop.unlink()
    assert refine_job(stopping) == 0
    check_exact(refined(request_))
    assert {name: (log.parent / "refined/parts" / name).stat().st_mtime_ns for name in parts} == parts
    rows = table(request_, "hops.csv")
    assert calls(request_) - first == sum(int(row["calculations"]) for row in rows)


def test_an_unfinished_calculation_keeps_the_old_value_and_goes_on(request_, capsys):
    """After one step nothing is relaxed; with more steps each band goes on from where it was."""
    assert refine_job(replace(request_, steps=1)) == 1
    network, old = refined(request_), two_site_network()
    assert not network.site_overridden.any()
    np.testing.assert_array_equal(network.hop_saddle, old.hop_saddle)
    assert "old values stay" in capsys.readouterr().out
    assert refine_job(request_) == 0
    check_exact(refined(request_))


def test_a_failed_band_keeps_its_barrier_above_the_new_ends(request_):
    """The calculator fails at large z only: the hop along z keeps its resolved barrier, 0.4 eV over the mean of 1.2."""
    file = Path(request_.calculator.partition(":")[0])
    file.write_text(
        file.read_text()
        + """
class Failing(CosineCalculator):
    def calculate(self, *arguments):
        super().calculate(*arguments)
        if self.atoms.positions[-1, 2] > 2.5:
            raise RuntimeError("not converged\\nsecond line")
def failing():
    return Failing(A=0.3, B=0.05)
"""
    )
    assert refine_job(replace(request_, calculator=f"{file}:failing")) == 1
    network, old = refined(request_), two_site_network()
    kept = [3, 5]
    assert not network.hop_overridden[np.isin(network.hop_orbit, kept)].any()
    assert network.hop_overridden[~np.isin(network.hop_orbit, kept)].all()
    for orbit in kept:
        hop = int(np.flatnonzero(old.hop_orbit == orbit)[0])
        site = old.hop_origin[hop]
        barriers = [n.hop_saddle[hop] - n.site_energy[site] for n in (network, old)]
        assert barriers[0] == pytest.approx(barriers[1], abs=1e-12)
    rows = table(request_, "hops.csv")
    assert "RuntimeError: not converged" in rows[3]["remark"]
    assert "second line" in (request_.network.parent / "refined/calculator_error.txt").read_text()


def test_an_ion_that_leaves_its_basin_is_reported(request_):
    """A site put on top of a barrier falls into a neighbour 2 Å away."""
    old = two_site_network()
    moved = replace(old, site_frac=np.array([[0.0, 0.0, 0.0], [0.28, 0.0, 0.0]]))
    moved.save(request_.network)
    assert refine_job(request_) == 1
    network = refined(request_)
    assert network.site_overridden.tolist() == [True, False]
    rows = table(request_, "sites.csv")
    assert rows[1]["refined"] == "no"
    assert "left its basin" in rows[1]["remark"]


def test_an_accuracy_too_coarse_for_the_calculator_is_told(request_, capsys):
    """0.1 Å off the minima the force is 0.074 eV/Å: with 0.5 allowed the sites stay where they are, with a remark."""
    refine_job(replace(request_, fmax=0.5))
    rows = table(request_, "sites.csv")
    assert all("fmax is too coarse for this calculator: 0.1 Å off the site" in row["remark"] for row in rows)
    assert [float(row["moved_A"]) for row in rows] == [0.0, 0.0]
    assert np.ptp(refined(request_).site_energy) == pytest.approx(2 * B, abs=1e-9)
    assert "fmax is too coarse" in capsys.readouterr().out
    assert refine_job(request_) == 0  # what the coarse one left is not taken for finished
    check_exact(refined(request_))
    assert not any("coarse" in row["remark"] for row in (*table(request_, "sites.csv"), *table(request_, "hops.csv")))


def test_a_band_between_ends_that_moved_is_made_again(request_):
    """A finished band shifted by 0.5 Å as a whole is not that of its sites; shifted by 0.01 Å it is."""
    assert refine_job(request_) == 0
    part = request_.network.parent / "refined/parts/hop-0.json"
    first = part.read_text()
    for shift, kept in ((0.01, True), (0.5, False)):
        changed = json.loads(first)
        changed["positions"] = (np.array(changed["positions"]) + shift).tolist()
        changed["energies"] = (np.array(changed["energies"]) + 1.0).tolist()
        part.write_text(json.dumps(changed))
        assert refine_job(request_) == 0
        assert (json.loads(part.read_text()) == changed) == kept
    check_exact(refined(request_))


def test_a_hop_without_a_saddle_is_starred(request_, capsys):
    """With 4A < B the deeper minimum along x is the only one: no image lies above the end put at the other site."""
    calculator_file(request_.network.parent, 0.001, 0.05)
    refine_job(replace(request_, fmax=0.5))
    hops = [row for row in table(request_, "hops.csv") if "taken for the saddle" in row["remark"]]
    assert hops
    assert all(row["refined"] == "yes" for row in hops)
    text = capsys.readouterr().out
    printed = text.partition("Hops, old and new barriers")[2].partition("Percolation")[0].splitlines()
    starred = {line.split()[0] for line in printed if re.search(r"\d\*", line)}
    assert starred == {row["orbit"] for row in hops}


def test_a_network_without_framework_is_refused(request_):
    """Its calculator would see the ion alone, and every barrier become zero."""
    empty = {"framework_symbols": (), "framework_frac": np.zeros((0, 3)), "framework_charges": np.zeros(0)}
    replace(two_site_network(), **empty).save(request_.network)
    with pytest.raises(InputError, match=r"expected a network with framework atoms, found none"):
        refine_job(request_)


@pytest.mark.parametrize("content", ["data_x\n_cell_length_a 10\n", ""])
def test_a_file_of_another_kind_is_told_from_a_damaged_network(request_, tmp_path, content):
    (tmp_path / "x.cif").write_text(content)
    with pytest.raises(InputError, match=r"x.cif: expected the network.h5 .* found another kind of file"):
        refine_job(replace(request_, network=tmp_path / "x.cif"))
    request_.network.write_bytes(request_.network.read_bytes()[:-5])
    with pytest.raises(InputError, match="must end in its checksum"):
        refine_job(request_)


def test_a_calculator_that_never_works_is_refused(request_):
    file = Path(request_.calculator.partition(":")[0])
    file.write_text(file.read_text() + "\ndef broken():\n    return CosineCalculator(A=float('nan'))\n")
    with pytest.raises(InputError, match="finite energy"):
        refine_job(replace(request_, calculator=f"{file}:broken"))


def test_other_settings_need_force(request_):
    """Sites are stored by the first run; the second has another calculator under the same name."""
    refine_job(replace(request_, steps=1))
    calculator_file(request_.network.parent, A, 0.06)
    with pytest.raises(InputError, match=r"same settings, found calculator cosine.py:fresh"):
        refine_job(request_)
    before = calls(request_)
    assert refine_job(replace(request_, force=True)) == 0
    assert calls(request_) > before
    assert np.ptp(refined(request_).site_energy) == pytest.approx(0.12, abs=1e-3)


def test_a_folder_that_is_not_ours_is_refused(request_, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("")
    with pytest.raises(InputError, match="found another one"):
        refine_job(replace(request_, output=tmp_path / "mine"))


def test_a_dry_run_writes_nothing(request_, capsys):
    assert refine_job(replace(request_, dry_run=True)) == 0
    assert "2 kinds of site and 6 kinds of hop" in capsys.readouterr().out
    assert not (request_.network.parent / "refined").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"network": Path("none.h5")}, "found no file"),
        ({"species": ("Na+",)}, "expected an ion of the network"),
        ({"ion_atoms": {"Li+": Path("none.xyz")}}, "does not exist"),
    ],
)
def test_mistakes_are_refused(request_, change, words):
    with pytest.raises(InputError, match=words):
        refine_job(replace(request_, **change))
