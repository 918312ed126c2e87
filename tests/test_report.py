"""The report: whole in one file, its numbers those of the tables, readable on a phone and without scripts."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from browser import show
from frameworks import framed_network
from synthetic import arrhenius_diffusivity, record

from analysis.campaign import Run
from analysis.page_numbers import fixed, powered, seconds, superscripts
from analysis.report import ReportContext, report_page, write_report
from analysis.report_sections import Section

pytestmark = pytest.mark.filterwarnings("ignore:divide by zero")


def records(temperatures=(250.0, 298.15, 350.0), loadings=(0.0, 0.5, 1.0), n_orbits=2, **changes):
    made = [
        record(
            x,
            T,
            replica,
            ions={
                "Li+": (round(8 * x), arrhenius_diffusivity(T, 0.2, 4.0 * (1.1 - x))),
                "Me2NH2+": (round(8 * (1 - x)), arrhenius_diffusivity(T, 0.3, 0.5)),
            },
            n_steps=200,
        )
        for x in loadings
        for T in temperatures
        for replica in range(3)
    ]
    hops = {"hop_orbit_events": np.full(n_orbits, 100), "hop_orbit_returns": np.full(n_orbits, 40)}
    return tuple(replace(one, **hops, **changes) for one in made)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    network = framed_network()
    return Run(tmp_path_factory.mktemp("run"), records(n_orbits=int(network.hop_orbit.max()) + 1), network, "a = 1", ())


@pytest.fixture(scope="module")
def page(run):
    context = ReportContext(
        "Title",
        "subtitle",
        {"structure": ["assumed <cell>"]},
        "3 of 9 tasks are finished",
        "ni_mof",
        provenance=["seed 0"],
    )
    return report_page(run, context)


def text_of(page: str) -> str:
    body = re.sub(r"<script.*?</script>|<style.*?</style>|<svg.*?</svg>", "", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", body))


def test_nothing_is_fetched(page):
    """All that is referred to lies in the page: no address but anchors and data."""
    assert "default-src 'none'" in page
    for reference in re.findall(r'<[^>]*\b(?:src|href|srcset|action)\s*=\s*"([^"]*)"', page):
        assert reference.startswith(("#", "data:image/svg+xml;base64,")), reference[:80]
    assert not re.search(r"@import|url\((?!#)|\bimport\s*\(|\bfetch\(|XMLHttpRequest", page)
    assert "{{" not in page.split("<script")[0]


def test_every_section_can_be_reached_and_has_something(page):
    anchors = re.findall(r'<a href="#(\w+)">', page)
    assert set(anchors) == set(re.findall(r'<section class="part" id="(\w+)">', page))
    assert {"conductivity", "temperature", "loading", "transport", "transference", "network", "ions", "statistics",
            "experiment", "assumptions"} <= set(anchors)  # fmt: skip


def test_numbers_are_those_of_the_tables(run, page):
    row = run.analyse().conductivity.query("x == 0.5 and `T (K)` == 298.15").iloc[0]
    cell = powered(
        row["sigma (S/cm)"], row["sigma lo (S/cm)"], row["sigma hi (S/cm)"], converged=bool(row["converged"])
    )
    assert f"<td>{cell}</td>" in page
    E_a = run.analyse().activation.query("x == 0.5").iloc[0]
    assert fixed(E_a["E_a (eV)"], E_a["E_a lo (eV)"], E_a["E_a hi (eV)"]) in page


def test_reasons_stand_beside_the_numbers(page):
    text = text_of(page)
    assert "3 of 9 tasks are finished" in text
    assert "nothing is calibrated" in text
    assert "3 replicas" in text
    assert "assumed &lt;cell&gt;" in text
    assert "seed 0" in text
    assert "Occupation and stays: " in text, "files that do not tell the occupation say so"


def test_pictures_have_words_and_two_widths(page):
    pictures = re.findall(r"<picture>.*?</picture>", page)
    assert len(pictures) >= 4
    for one in pictures:
        assert re.search(r'alt="[^"]{10,}"', one)
        assert "max-width: 34rem" in one


@pytest.mark.validation
def test_names_cannot_break_out_of_the_page(run):
    evil = "</script><script>alert(1)</script>"
    shown = report_page(
        replace(run, network=replace(run.network, name=evil), deck=evil), ReportContext(evil, evil, {evil: [evil]})
    )
    assert "<script>alert" not in shown


def test_a_run_without_network_or_with_one_point_has_a_report(tmp_path):
    lone = Run(tmp_path, records(temperatures=(300.0,), loadings=(0.5,)), None, "", ())
    shown = report_page(lone, ReportContext("One point"))
    anchors = re.findall(r'<a href="#(\w+)">', shown)
    assert "network" not in anchors
    assert "temperature" not in anchors
    assert "loading" not in anchors


def test_a_blocked_run_says_so(tmp_path):
    still = tuple(record(1.0, T, r, ions={"Li+": (4, 0.0)}) for T in (250.0, 300.0) for r in range(2))
    text = text_of(report_page(Run(tmp_path, still, None, "", ()), ReportContext("Blocked")))
    assert "nothing moved at 27 °C" in text
    assert "blocked" in text


def test_a_single_replica_has_no_intervals_where_none_can_be(tmp_path):
    alone = tuple(one for one in records() if one.replica == 0)
    text = text_of(report_page(Run(tmp_path, alone, None, "", ()), ReportContext("Single")))
    assert "1 replicas" not in text


def test_file_is_whole(run, tmp_path):
    write_report(run, tmp_path / "r.html", ReportContext("x"))
    assert [path.name for path in tmp_path.iterdir()] == ["r.html"]


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (powered(5.9e-7, 3.6e-7, 1.18e-6), '5.9 <span class="ends">(3.6–11.8)</span> × 10<sup>−7</sup>'),
        (powered(0.072, 0.06, 0.088), '0.072 <span class="ends">(0.060–0.088)</span>'),
        (powered(12.3, converged=False), "12~"),
        (powered(0.0), "0"),
        (powered(float("nan")), "–"),
        (powered(2e5, 1e5, float("inf")), '2.0 <span class="ends">(1.0–∞)</span> × 10<sup>5</sup>'),
        (fixed(-0.0001, digits=2), "0.00"),
        (fixed(-1.25, -2.0, 0.5, digits=1), '−1.2 <span class="ends">(−2.0–0.5)</span>'),
        (seconds(1.2e-8), "12 ns"),
        (seconds(3e-16), "0.3 fs"),
    ],
)
def test_numbers_are_written_as_people_write_them(shown, expected):
    assert shown == expected


def test_charges_of_ions_stand_high():
    assert superscripts("PF6- and Li+, well-known") == "PF6⁻ and Li⁺, well-known"


def test_title_of_the_contents_is_short():
    assert Section("Loading, and the best one", "loading", "").short == "Loading"


WIDTHS = """
<script>
window.addEventListener("error", (event) => console.log("REPORT error " + event.message));
setTimeout(() => {
  const wide = [...document.querySelectorAll("main *")].filter((one) => {
    const box = one.getBoundingClientRect();
    return box.right > innerWidth + 1 && !one.closest(".table, pre, canvas, #view, svg");
  });
  const images = [...document.querySelectorAll("img")];
  images.forEach((one) => { one.loading = "eager"; });
  console.log("REPORT " + JSON.stringify({
    page: document.documentElement.scrollWidth, window: innerWidth,
    wide: wide.map((one) => one.tagName + "." + one.className),
    broken: images.filter((one) => one.complete && one.naturalWidth === 0).length, images: images.length,
  }));
}, 500);
</script>
"""


@pytest.mark.parametrize("width", [500, 1200])
def test_page_fits_phones_and_screens(page, tmp_path, width):
    """Nothing but tables, which scroll by themselves, is wider than the window; no error, no broken picture."""
    path = tmp_path / "report.html"
    path.write_text(page.replace("</body>", WIDTHS + "</body>"), encoding="utf-8")
    shown = show(path, tmp_path, size=(width, 900))
    lines = [line for line in shown.console if "REPORT" in line]
    assert len(lines) == 1, shown.console
    found = json.loads(lines[0].removeprefix("REPORT ").replace('\\"', '"'))
    assert found["page"] <= found["window"], found
    assert found["wide"] == []
    assert found["broken"] == 0
    assert shown.picture.std() > 0.05
