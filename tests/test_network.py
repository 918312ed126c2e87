"""PoreNetwork on disk."""

import subprocess
import sys
from dataclasses import replace

import h5py
import numpy as np
import pytest

from lattice.network import PoreNetwork
from structures.hdf5 import seal, whole_hdf5
from structures.species import SHIPPED_SPECIES


def chain(**changes):
    """Two sites per cell on a line."""
    fields = {
        "name": "chain",
        "cell": np.diag([4.0, 5.0, 6.0]),
        "framework_symbols": ("Ni", "O"),
        "framework_frac": [[0.5, 0.5, 0.5], [0.25, 0.5, 0.5]],
        "framework_charges": [0.5, -1.5],
        "framework_charge": -1.0,
        "permittivity": 10,
        "species": (SHIPPED_SPECIES["Li+"],),
        "site_species": [0, 0],
        "site_frac": [[0.0, 0, 0], [0.5, 0, 0]],
        "site_energy": [0.0, 0.1],
        "site_orbit": [0, 1],
        "site_label": ("µ-O", "pore"),
        "site_width": [1.0, 2.0],
        "site_overridden": [False, True],
        "site_log_partition": [[0.0, 0.0], [-3.0, -2.0]],
        "hop_origin": [0, 0, 1, 1],
        "hop_target": [1, 1, 0, 0],
        "hop_image": [[-1, 0, 0], [0, 0, 0], [0, 0, 0], [1, 0, 0]],
        "hop_saddle": [0.3, 0.2, 0.2, 0.3],
        "hop_overridden": [False] * 4,
        "hop_log_conductance": [[-9.0, -6.0], [-7.0, -5.0], [-7.0, -5.0], [-9.0, -6.0]],
        "hop_orbit": [1, 0, 0, 1],
        "hop_reverse": [3, 2, 1, 0],
        "exclusion_a": [],
        "exclusion_b": [],
        "exclusion_image": np.zeros((0, 3)),
        "rate_model": "flux_tst",
        "temperatures": [200.0, 300.0],
        "percolation": [[0.3, np.nan, np.nan]],
        "accessible_volume": np.float64(60.0),
        "largest_cavity": 3.0,
        "limiting_diameter": 2.0,
        "provenance": ("made for a test", "eps_r 10"),
    }
    return PoreNetwork(**fields | changes)


def test_what_is_saved_is_what_is_loaded(tmp_path):
    network = chain()
    network.save(tmp_path / "network.h5")
    loaded = PoreNetwork.load(tmp_path / "network.h5")
    for field in PoreNetwork.__dataclass_fields__:
        a, b = getattr(network, field), getattr(loaded, field)
        if isinstance(a, np.ndarray):
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype
        else:
            assert a == b
    assert loaded.content_hash == network.content_hash
    assert [p.name for p in tmp_path.iterdir()] == ["network.h5"]


def test_the_hash_depends_on_every_field():
    network = chain()
    changed = [
        replace(network, name="other"),
        replace(network, permittivity=11.0),
        replace(network, site_label=("N", "pore")),
        replace(network, site_energy=[0.0, 0.1 + 1e-15]),
        replace(network, species=(replace(SHIPPED_SPECIES["Li+"], mass=7.0),)),
        replace(network, percolation=[[0.3, 0.4, np.nan]]),
    ]
    assert len({n.content_hash for n in (network, *changed)}) == 7
    assert chain().content_hash == network.content_hash


def test_a_changed_or_damaged_file_is_refused(tmp_path):
    path = tmp_path / "network.h5"
    chain().save(path)
    with h5py.File(path, "r+") as file:
        file["site_energy"][1] = 0.2
    with pytest.raises(ValueError, match=r"network\.h5: must .* checksum"):
        PoreNetwork.load(path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="must end in its checksum"):
        PoreNetwork.load(path)


def test_another_format_is_refused(tmp_path):
    with whole_hdf5(tmp_path / "other.h5") as file:
        file.attrs["format"] = 99
    with pytest.raises(ValueError, match="must have format 2; got 99"):
        PoreNetwork.load(tmp_path / "other.h5")


def test_a_failing_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "network.h5"
    chain().save(path)

    def full_disk(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr("structures.files.os.fsync", full_disk)
    with pytest.raises(OSError, match="no space"):
        chain(name="new").save(path)
    monkeypatch.undo()
    assert PoreNetwork.load(path).name == "chain"
    assert [p.name for p in tmp_path.iterdir()] == ["network.h5"]


def test_loading_needs_no_chemistry_library(tmp_path):
    """A thousand ranks read the network; they should not pay for pymatgen, ase or numba."""
    path = tmp_path / "network.h5"
    chain().save(path)
    code = (
        "import sys; from lattice.network import PoreNetwork; PoreNetwork.load(sys.argv[1]); "
        "assert not {'pymatgen', 'ase', 'numba', 'spglib', 'matplotlib'} & set(sys.modules)"
    )
    environment = {"PYTHONPATH": ":".join(p for p in sys.path if p)}
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, env=environment)


def test_a_hop_without_its_reverse_is_refused():
    with pytest.raises(ValueError, match="hop 1 and its reverse 2 differ"):
        chain(hop_saddle=[0.3, 0.25, 0.2, 0.3])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cell": [[4, 0, 0], [0, 5, 0], [4, 5, 0]]}, "cell must span a volume"),
        ({"permittivity": 0.0}, "permittivity must lie between 1 and 10000 in every direction; got 0"),
        ({"site_species": [0, 1]}, r"site_species must lie in \[0, 1\); got 1 at index 1"),
        ({"site_label": ("N",)}, "site_label must have length 2; got 1"),
        ({"site_frac": [[0.0, 0, 0], [0.5, 0, 1.0]]}, r"site_frac must lie in \[0, 1\); got .* at site 1"),
        ({"site_frac": [[-0.1, 0, 0], [0.5, 0, 0]]}, r"site_frac must lie in \[0, 1\); got .* at site 0"),
        ({"hop_origin": [0, 0, 1, 2]}, r"hop_origin must lie in \[0, 2\); got 2 at index 3"),
        ({"hop_target": [1, -1, 0, 0]}, r"hop_target must lie in \[0, 2\); got -1 at index 1"),
        ({"hop_reverse": [3, 2, 1, 4]}, r"hop_reverse must lie in \[0, 4\); got 4 at index 3"),
        ({"hop_orbit": [-1, 0, 0, -1]}, r"hop_orbit must lie in \[0, 4\); got -1 at index 0"),
        ({"hop_orbit": [1, 0, 1, 1]}, "hop 1 and its reverse 2 differ"),
        ({"hop_origin": [0, 1, 1, 0]}, "hop_origin must be sorted"),
        ({"temperatures": [300.0, 200.0]}, "temperatures must be positive and ascending"),
        ({"rate_model": "guess"}, "rate_model must be one of flux_tst, harmonic_tst, attempt_frequency; got guess"),
        ({"site_log_partition": [[0.0, 0.0]]}, r"site_log_partition must have shape \(2, 2\); got \(1, 2\)"),
        ({"hop_target": [1, 0, 0, 0]}, "hop_target must be another site or cell; hop 1 stays in place"),
        ({"exclusion_a": [0], "exclusion_b": [2]}, r"exclusion_b must lie in \[0, 2\); got 2 at index 0"),
        ({"exclusion_a": [0], "exclusion_b": [1]}, "once in each direction; got another number of sites 0 and 1"),
        ({"exclusion_a": [0], "exclusion_b": [0]}, "exclusions must name two different sites; got site 0 twice"),
        ({"exclusion_a": [0, 1] * 2, "exclusion_b": [1, 0] * 2}, "once in each direction"),
    ],
)
def test_a_network_that_cannot_be_is_refused(changes, message):
    """The kernels index with these numbers without looking."""
    if "exclusion_a" in changes:
        changes = {"exclusion_image": np.zeros((len(changes["exclusion_a"]), 3)), **changes}
    with pytest.raises(ValueError, match=message):
        chain(**changes)


def test_a_left_handed_cell_and_an_exclusion_of_the_own_image_are_fine():
    network = chain(
        cell=np.diag([4.0, 5.0, -6.0]), exclusion_a=[0, 0], exclusion_b=[0, 0], exclusion_image=[[1, 0, 0], [-1, 0, 0]]
    )
    assert network.volume == pytest.approx(120.0)


def test_a_species_that_no_ion_can_have_is_refused(tmp_path):
    path = tmp_path / "network.h5"
    chain().save(path)
    with h5py.File(path, "r+") as file:
        file["species"][0] = '{"name": "Li+", "beads": [], "surprise": 1}'
    seal(path)
    with pytest.raises(ValueError, match="must be a network file of mofkmc"):
        PoreNetwork.load(path)
