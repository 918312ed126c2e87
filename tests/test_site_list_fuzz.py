"""Hundreds of broken site lists: one line of error, or the network that the text describes, in bounded time.

What a text describes is found from a reading of its own: all values as text, sites and pairs by plain loops over the
images of the cell.
"""

import itertools
import re

import numpy as np
import pytest
from cif_oracle import mutated
from ruamel.yaml import YAML
from test_site_list import CUBIC, NU, SETTINGS

from lattice.site_list_file import load_site_list
from structures.errors import InputError
from structures.units import BOLTZMANN

SEEDS = {
    "cubic": CUBIC,
    "two ions": """
name: two ions of a flat cell
cell_A: [[8, 0, 0], [0, 4, 0], [0.5, 0, 5]]
framework_charge_e: -2
sites:
  - {label: A, species: Li+, frac: [0, 0, 0], energy_eV: -1.5}
  - {label: B, species: Li+, frac: [0.5, 0.1, 0.1], energy_eV: -1.25}
  - label: C
    species: Na+
    frac: [0.25, 0.5, 0.5]
hops:
  - {from: A, to: A, image: [0, 1, 0], barrier_eV: 0.3, prefactor_Hz: 5.0e+12}
  - {from: B, to: B, min_distance_A: 3.5, max_distance_A: 4.2, saddle_eV: -1.1}
  - {from: A, to: B, max_distance_A: 4.1, barrier_eV: 0.4}
  - from: C
    to: C
    max_distance_A: 4.5
    barrier_eV: 0.7
""",
    "two kinds": """
cell_A: [5.0, 5.0, 5.0, 90, 90, 90]
space_group: 225
framework_charge_e: -4
sites:
  - {label: tet, species: Li+, frac: [0.25, 0.25, 0.25], energy_eV: 0.1}
  - {label: oct, species: Li+, frac: [0.5, 0.5, 0.5]}
hops:
  - {from: tet, to: oct, max_distance_A: 2.2, barrier_eV: 0.25}
""",
}

ODD_VALUES = [
    *(
        "9" * 400,
        "1" + "0" * 30,
        "-1e400",
        "1e-320",
        "-0",
        "+.5",
        ".nan",
        ".inf",
        "0.1.2",
        "1,5",
        "²",
        "1:30",
        "2001-01-01",
    ),
    *(
        "0x1F",
        "0o17",
        "0b11",
        "1_0",
        "~",
        "yes",
        "''",
        "\x00",
        "\t",
        "|",
        "? a",
        "<<",
        "*a",
        "&a 1",
        "[[[[",
        "{a: {a: 1}}",
    ),
    *("!!python/object:os.system x", "!!binary aGk=", "!!set {a}", "!!omap [a: 1]", "!!float 3", "!!str 3"),
]


def odd(text, rng):
    """One value or key replaced by something that YAML may read in its own way."""
    words = list(re.finditer(r"[\w.+-]+", text))
    word = words[int(rng.integers(len(words)))]
    return text[: word.start()] + ODD_VALUES[int(rng.integers(len(ODD_VALUES)))] + text[word.end() :]


def loaded(path, text):
    """Network of a text, or None after an error of one line."""
    path.write_bytes(text.encode("utf-8", errors="surrogateescape"))
    try:
        return load_site_list(path, SETTINGS)
    except InputError as error:
        message = str(error)
        assert message.startswith(path.name)
        assert "\n" not in message
        assert len(message) < 700
        return None


def number(text):
    """Value of a number in YAML, whole ones of other bases included."""
    return float(int(text, 0)) if re.match("[+-]?0[xob]", text) else float(text)


def numbers(texts):
    return np.array([number(text) for text in texts])


def cell_of(document):
    if isinstance(document["cell_A"][0], list):
        return np.array([numbers(row) for row in document["cell_A"]])
    lengths, angles = numbers(document["cell_A"][:3]), np.radians(numbers(document["cell_A"][3:] or ["90"] * 3))
    ca, cb, cg = np.cos(angles)
    sg = np.sin(angles[2])
    u = (ca - cb * cg) / sg
    return lengths[:, None] * np.array([[1, 0, 0], [cg, sg, 0], [cb, u, np.sqrt(1 - cb**2 - u**2)]])


def assert_described(network, text):
    """Every site and hop of the network is in the text, and every one of the text is in the network."""
    document = YAML(typ="base", pure=True).load(text)
    cell = cell_of(document)
    np.testing.assert_allclose(network.cell @ network.cell.T, cell @ cell.T, atol=0.2)
    assert network.framework_charge == number(document["framework_charge_e"])
    if "name" in document:
        assert network.name == document["name"]
    energy = {site["label"]: number(site.get("energy_eV", "0")) for site in document["sites"]}
    for site in document["sites"]:
        mine = [k for k, label in enumerate(network.site_label) if label == site["label"]]
        assert {network.species[network.site_species[k]].name for k in mine} == {site["species"]}
        step = network.site_frac[mine] - numbers(site["frac"])
        assert np.linalg.norm((step - np.round(step)) @ network.cell, axis=1).min() < 0.5
        np.testing.assert_array_equal(network.site_energy[mine], energy[site["label"]])
        assert "space_group" in document or len(mine) == 1
    assert set(network.site_label) == set(energy)
    expected = expected_hops(network, document, energy)
    symmetric = "space_group" in document and any("image" in hop for hop in document["hops"])
    found = {}
    for k, key in enumerate(zip(network.hop_origin, network.hop_target, *network.hop_image.T, strict=True)):
        log_prefactor = network.hop_log_conductance[k] + network.hop_saddle[k] / (BOLTZMANN * network.temperatures)
        found[tuple(int(n) for n in key)] = (network.hop_saddle[k], np.exp(log_prefactor[0]) * NU)
    assert symmetric or found.keys() == expected.keys()
    assert expected.keys() <= found.keys()
    for key, (saddle, prefactor) in expected.items():
        assert found[key] == (pytest.approx(saddle, abs=1e-9), pytest.approx(prefactor, rel=1e-6))


def expected_hops(network, document, energy):
    """Saddle and prefactor of the hops of every rule, all pairs of sites and images tried; an image only as listed."""
    hops = {}
    frac, label, species = network.site_frac, network.site_label, network.site_species
    listed = {}
    for site in document["sites"]:
        place = numbers(site["frac"])
        step = place - frac[[k for k, name in enumerate(label) if name == site["label"]]]
        near = np.linalg.norm((step - np.round(step)) @ network.cell, axis=1).argmin()
        first = label.index(site["label"])
        listed[site["label"]] = first + int(near), np.round(step[near]).astype(int)
    for rule in document["hops"]:
        ends, prefactor = (rule.get("from"), rule.get("to")), number(rule.get("prefactor_Hz", f"{NU}"))
        pairs = []
        if "image" in rule:
            (a, cell_a), (b, cell_b) = listed[ends[0]], listed[ends[1]]
            image = np.array([int(number(n)) for n in rule["image"]]) + cell_b - cell_a
            pairs = [(a, b, *image.tolist())]
        else:
            low, high = number(rule.get("min_distance_A", "0")), number(rule["max_distance_A"])
            heights = 1 / np.linalg.norm(np.linalg.inv(network.cell), axis=0)
            reach = (np.ceil(high / heights) + 1).astype(int)
            for image in itertools.product(*(range(-n, n + 1) for n in reach)):
                distance = np.linalg.norm((frac[None] + image - frac[:, None]) @ network.cell, axis=-1)
                fits = (
                    (distance > max(low - 1e-4, 1e-9)) & (distance <= high + 1e-4) & (species[None] == species[:, None])
                )
                for a, b in np.argwhere(fits).tolist():
                    if all(end in (None, name) for end, name in zip(ends, (label[a], label[b]), strict=True)):
                        pairs.append((a, b, *image))
        for a, b, u, v, w in pairs:
            ea, eb = energy[label[a]], energy[label[b]]
            from_first = None not in ends and ends[0] != ends[1]
            base = ea if from_first else min(ea, eb)
            saddle = number(rule["saddle_eV"]) if "saddle_eV" in rule else base + number(rule["barrier_eV"])
            hops[a, b, u, v, w] = hops[b, a, -u, -v, -w] = saddle, prefactor
    return hops


@pytest.mark.parametrize("name", SEEDS)
def test_seeds_are_good_and_the_oracle_knows_them(tmp_path, name):
    assert_described(loaded(tmp_path / "sites.yaml", SEEDS[name]), SEEDS[name])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("energy_eV: -1.25", "energy_eV: -1.24"),
        ("barrier_eV: 0.4", "barrier_eV: 0.41"),
        ("image: [0, 1, 0]", "image: [0, 0, 1]"),
        ("max_distance_A: 4.1", "max_distance_A: 4.3"),
        ("prefactor_Hz: 5.0e+12", "prefactor_Hz: 5.1e+12"),
        ("charge_e: -2", "charge_e: -1"),
        ("[0.25, 0.5, 0.5]", "[0.25, 0.5, 0.7]"),
        ("species: Na+", "species: K+"),
    ],
)
def test_the_oracle_sees_a_wrong_network(tmp_path, old, new):
    text = SEEDS["two ions"]
    network = loaded(tmp_path / "sites.yaml", text)
    assert old in text
    with pytest.raises(AssertionError):
        assert_described(network, text.replace(old, new))


def check(path, seed):
    rng = np.random.default_rng(seed)
    text = SEEDS[sorted(SEEDS)[seed % len(SEEDS)]]
    text = odd(text, rng) if rng.random() < 0.4 else mutated(text, rng)
    network = loaded(path, text)
    if network is not None:
        assert_described(network, path.read_bytes().decode("utf-8-sig"))
    return network is not None


@pytest.mark.parametrize("part", range(4))
def test_broken_lists(tmp_path, part, bounded):
    good = [check(tmp_path / "sites.yaml", seed) for seed in range(50 * part, 50 * part + 50)]
    assert 0 < sum(good) < len(good)


@pytest.mark.validation
@pytest.mark.parametrize("part", range(10))
def test_more_broken_lists(tmp_path, part, bounded):
    for seed in range(1000 + 300 * part, 1300 + 300 * part):
        check(tmp_path / "sites.yaml", seed)
