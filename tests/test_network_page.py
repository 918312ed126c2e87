"""The page of a network: complete without a network, readable without scripts, and drawn by a browser."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from browser import show
from frameworks import PLACES, SIDE, framed_network
from lattices import square
from matplotlib.colors import rgb_to_hsv

from analysis.drawn_framework import drawn_framework
from analysis.network_page import network_page, write_network_page
from analysis.palette import BARRIERS, barrier_scale, orbit_colour


@pytest.fixture(scope="module")
def pores():
    return framed_network()


@pytest.fixture(scope="module")
def page(pores):
    return network_page(pores)


def scene_of(page: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])


def test_nothing_is_fetched(page):
    """No attribute or style refers to anything outside, and the policy of the page forbids it as well."""
    assert "default-src 'none'" in page
    assert not re.search(r"<[^>]*\b(src|href|action|data)\s*=", page)
    assert not re.search(r"(https?:)?//[a-z]+\.[a-z]|@import|url\(|\bimport\s*\(|\bfetch\(|XMLHttpRequest", page)
    assert "{{" not in page.split("<script>")[0]


def test_scene_holds_every_site_and_hop_once(pores):
    scene = scene_of(network_page(pores))
    place = np.reshape(scene["sites"]["place"], (-1, 3))
    np.testing.assert_allclose(place, pores.site_frac @ pores.cell, atol=1e-3)
    assert len(scene["hops"]["from"]) == len(pores.hop_origin) // 2
    vector = [
        place[j] + np.array(scene["hops"]["image"][3 * k : 3 * k + 3]) @ pores.cell - place[i]
        for k, (i, j) in enumerate(zip(scene["hops"]["from"], scene["hops"]["to"], strict=True))
    ]
    once = pores.hop_reverse > np.arange(len(pores.hop_origin))
    np.testing.assert_allclose(vector, pores.hop_vector[once], atol=2e-3)


def test_texts_hold_what_the_network_says(pores):
    """Barriers 0.2 and 0.1 eV over the first saddle, from sites at 0 and 0.1 eV; levels above the deepest site."""
    scene = scene_of(network_page(pores))
    hop = "\n".join(scene["hopOrbits"][0]["text"])
    assert "carboxylate-O (0) ⇄ near C-H (1)" in hop
    assert "barrier 0.200 eV, back 0.100 eV" in hop
    assert "1 ν" in hop
    assert scene["hopOrbits"][0]["barrier"] == 0.2
    assert scene["species"][1]["crossing"] == [0.3, 0.3, None]
    assert "coordination: " in "\n".join(scene["siteOrbits"][0]["text"])


def test_tables_can_be_read_without_scripts(page):
    before_scripts = page.split("<script")[0]
    for text in ("carboxylate-O", "never", "<td>0.300</td>", "Assumptions", "test lattice", "largest cavity"):
        assert text in before_scripts


def test_what_the_user_gave_is_marked(pores):
    given = replace(
        pores, site_overridden=np.arange(pores.n_sites) == 1, hop_overridden=np.ones(len(pores.hop_origin), bool)
    )
    page = network_page(given)
    assert "0.100†" in page
    assert "0.300†" in page
    assert "given by the user, not computed" in page
    assert "†" not in network_page(pores).split("<script")[0]


def test_names_cannot_break_out_of_the_page(pores):
    evil = "</script><script>alert(1)</script>"
    page = network_page(replace(pores, name=evil, site_label=(evil,) * pores.n_sites, provenance=(evil,)))
    assert "<script>alert" not in page
    assert scene_of(page)["siteOrbits"][0]["name"].startswith(evil)


def test_a_network_without_framework_or_hops_has_a_page():
    lone = square()
    keep = np.zeros(0, int)
    empty = replace(
        lone,
        **{name: getattr(lone, name)[keep] for name in (
            "hop_origin", "hop_target", "hop_image", "hop_saddle", "hop_orbit", "hop_reverse", "hop_overridden",
            "hop_log_conductance",
        )},
    )  # fmt: skip
    for network in (lone, empty):
        scene = scene_of(network_page(network))
        assert scene["atoms"]["place"] == []
        assert scene["top"] > 0


def test_prefactors_are_those_of_the_temperature_asked_for(pores):
    assert "prefactors at 350 K" in network_page(pores, temperature=350.0)
    with pytest.raises(ValueError, match="temperature must be within"):
        network_page(pores, temperature=1.0)


def test_file_is_whole(pores, page, tmp_path):
    write_network_page(pores, tmp_path / "n.html")
    assert (tmp_path / "n.html").read_text(encoding="utf-8") == page
    assert [path.name for path in tmp_path.iterdir()] == ["n.html"]


def test_linkers_are_drawn_whole(pores):
    """C-C-O crosses the face x = 0; it is drawn in one piece where its centre is, and no bond is stretched."""
    drawn = drawn_framework(pores)
    assert sorted(drawn.atom.tolist()) == [0, 1, 2, 3]
    by_atom = drawn.place[np.argsort(drawn.atom)]
    np.testing.assert_allclose(by_atom[1:] - by_atom[1], PLACES[1:] - PLACES[1], atol=1e-9)
    np.testing.assert_allclose(by_atom[1] / SIDE, [1.0, 0.85, 0.8], atol=1e-9)
    # Zn-O, O-C and C-C, from both ends: every half bond meets the half of its partner
    assert len(drawn.bond_copy) == 6
    halves = np.linalg.norm(drawn.bond_half, axis=1)
    np.testing.assert_allclose(sorted(2 * halves), [1.3, 1.3, 1.4, 1.4, 1.9, 1.9], atol=1e-9)


def test_atoms_on_a_face_are_drawn_on_both_and_endless_chains_atom_by_atom(pores):
    """A chain of carbon atoms 1.25 Å apart through the cell has no ends: it is cut at the faces."""
    frac = np.column_stack([np.arange(8) / 8, np.full(8, 0.5), np.full(8, 0.5)])
    chain = replace(pores, framework_symbols=("C",) * 8, framework_frac=frac, framework_charges=np.zeros(8))
    drawn = drawn_framework(chain)
    np.testing.assert_allclose(np.sort(drawn.place[:, 0]), np.arange(9) * 1.25, atol=1e-9)
    assert not drawn.outside.any()


@pytest.mark.parametrize(("highest", "top"), [(0.0, 0.05), (0.29, 0.3), (0.3, 0.3), (0.301, 0.4), (1.7, 2.0)])
def test_colour_scale_holds_every_barrier(highest, top):
    found, ticks = barrier_scale(highest)
    assert found == pytest.approx(top)
    assert ticks[0] == 0
    assert ticks[-1] == found
    assert 3 <= len(ticks) <= 6


REPORT = """
<script>
window.addEventListener("error", (event) => console.log("REPORT error " + event.message));
setTimeout(() => {
  const report = {};
  const pixel = ({ x, y }) => {
    draw();
    const gl = canvas.getContext("webgl2"), found = new Uint8Array(4), sharp = canvas.width / canvas.clientWidth;
    gl.readPixels(sharp * x, canvas.height - sharp * y, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, found);
    return [...found.slice(0, 3)].map((value) => value / 255);
  };
  const at = (point) => project(view, point, canvas.clientWidth, canvas.clientHeight);
  const move = (place) => {
    const edge = canvas.getBoundingClientRect();
    const there = { pointerId: 1, clientX: edge.x + place.x, clientY: edge.y + place.y };
    canvas.dispatchEvent(new PointerEvent("pointermove", there));
    return tooltip.hidden ? "" : tooltip.innerText;
  };
  const labels = [...document.querySelectorAll("#panel label")];
  const box = (name) => labels.find((label) => label.textContent.startsWith(name)).querySelector("input");
  const place = (k) => scene.sites.place.slice(3 * k, 3 * k + 3);
  const site = at(place(1)), hop = at(place(0).map((x, k) => 0.6 * x + 0.4 * place(1)[k]));
  report.expected = [rgb(scene.siteOrbits[1].colour), barrierColour(scene.hopOrbits[0].barrier)];
  report.on = [pixel(site), pixel(hop)];
  report.texts = [move(site), move(hop), move({ x: 2, y: 2 })];
  box("0 – 1").click();
  box("near C-H").click();
  report.off = [pixel(site), pixel(hop)];
  box("0 – 1").click();
  box("near C-H").click();
  const before = at(latticePoint([1, 0, 0]));
  turnBy(0.3, 0.1);
  const after = at(latticePoint([1, 0, 0]));
  report.turned = Math.hypot(after.x - before.x, after.y - before.y);
  reset();
  redraw();
  console.log("REPORT " + JSON.stringify(report));
}, 300);
</script>
"""


def hue(colour: list[float]) -> float:
    return float(rgb_to_hsv(np.clip(colour, 0.0, 1.0))[0])


def test_browser_draws_the_network(pores, page, tmp_path):
    """Colours of sites and hops are on the canvas and go with their check boxes; the pointer is told what it is on."""
    file = tmp_path / "page.html"
    file.write_text(page.replace("</body>", REPORT + "</body>"), encoding="utf-8")
    shown = show(file, tmp_path)
    assert [line[:8] for line in shown.console] == ["REPORT {"], shown.console
    report = json.loads(shown.console[0].removeprefix("REPORT "))
    for expected, on, off in zip(report["expected"], report["on"], report["off"], strict=True):
        assert abs(hue(on) - hue(expected)) < 0.04, (expected, on)
        assert np.ptp(on) > 0.2
        assert np.abs(np.subtract(on, off)).max() > 0.2
    assert "site: near C-H" in report["texts"][0]
    assert "barrier 0.200 eV" in report["texts"][1]
    assert report["texts"][2] == ""
    assert report["turned"] > 20

    height, width, _ = shown.picture.shape
    view = shown.picture[int(0.15 * height) : int(0.85 * height), int(0.05 * width) : int(0.6 * width)]
    assert len(np.unique(np.round(255 * view.reshape(-1, 3)), axis=0)) > 500
    assert 0.02 < (np.ptp(view, axis=2) > 0.15).mean() < 0.9, "neither empty nor full of colour"


def test_sites_never_look_like_barriers():
    colours = {orbit_colour(k) for k in range(12)}
    assert len(colours) == 12
    assert not colours & set(BARRIERS)
