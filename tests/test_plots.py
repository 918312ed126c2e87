"""Pictures show what the tables say and are written as PNG."""

from dataclasses import replace

import numpy as np
import pytest
from frameworks import framed_network
from lattices import ion, network_of
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from synthetic import arrhenius_diffusivity, record

from analysis import plots
from analysis.campaign import analyse

PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def analysis():
    return analyse(
        [
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
            for x in (0.0, 0.5, 1.0)
            for T in (250.0, 298.15, 350.0)
            for replica in range(2)
        ]
    )


@pytest.fixture(scope="module")
def pores():
    frac = np.array([[0.1, 0.1, 0.1], [0.6, 0.5, 0.4]])
    bonds = [(0, 1, (0, 0, 0)), (0, 1, (-1, 0, 0)), (0, 1, (0, -1, 0)), (0, 1, (0, 0, -1))]
    return network_of(
        10 * np.eye(3), frac, bonds, site_energy=np.array([0.0, 0.1]), saddle=0.3, species=(ion("Li+"), ion("Me2NH2+"))
    )


def test_arrhenius_shows_every_composition(analysis, tmp_path):
    axes = Figure().add_subplot()
    assert plots.arrhenius(analysis, axes) is axes
    assert len(axes.containers) == 3
    assert len(axes.get_legend().get_texts()) == 3
    plots.save_arrhenius(analysis, tmp_path / "a.png", footnote=("assumption",))
    assert (tmp_path / "a.png").read_bytes()[:4] == PNG


def test_loading_shows_every_temperature_and_the_measured_points(analysis, tmp_path):
    axes = plots.loading(analysis, material="ni_mof")
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert "measured, 25 °C" in labels
    assert sum(label.endswith("°C") for label in labels) == 4
    plots.save_loading(analysis, tmp_path / "l.png", material="ni_mof")
    assert (tmp_path / "l.png").read_bytes()[:4] == PNG


def test_network_shows_sites_by_orbit(pores, tmp_path):
    axes = plots.network(pores, 1)
    assert len(axes.get_legend().get_texts()) == 2
    plots.save_network(pores, tmp_path / "n.png")
    assert (tmp_path / "n.png").read_bytes()[:4] == PNG


def test_network_shows_framework_axes_and_a_scale_of_barriers():
    """Two hops: 0.2 and 0.3 eV. The scale runs from zero to 0.3 eV; C-C-O and Zn have six half bonds."""
    axes = plots.network(framed_network())
    lines = [len(found._segments3d) for found in axes.collections if hasattr(found, "_segments3d")]
    assert lines == [12, 6, 1, 3, 3], "cell, half bonds, hop inside, both ends of those going out"
    assert [text.get_text().split()[-2] for text in axes.texts if "Å" in text.get_text()] == ["10.00"] * 3
    (bar,) = axes.child_axes
    assert bar.get_ylim() == (0.0, pytest.approx(0.3))


def test_numbers_of_the_user_are_marked_in_the_picture():
    """Orbit 0 of the sites and the hops within the cell are given: a rim, a core and a note, on the first ion only."""
    network = framed_network()
    inside = (network.hop_image == 0).all(axis=1) & (network.site_species[network.hop_origin] == 0)
    changed = replace(network, site_overridden=network.site_orbit == 0, hop_overridden=inside)
    axes = plots.network(changed)
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert [text.endswith("meV†") for text in texts[:2]] == [True, False]
    assert texts[2] == "† given by the user, not computed"
    lines = [found for found in axes.collections if hasattr(found, "_segments3d")]
    assert [len(found._segments3d) for found in lines] == [12, 6, 1, 1, 3, 3], "the core follows the hop inside"
    assert lines[3].get_linewidth() < lines[2].get_linewidth()
    rims = [tuple(found.get_edgecolor()[0][:3]) for found in axes.collections if not hasattr(found, "_segments3d")]
    assert rims == [to_rgb(plots.INK), to_rgb("white")]
    assert "†" not in "".join(text.get_text() for text in plots.network(changed, 1).get_legend().get_texts())


def test_network_of_one_barrier_has_a_scale_that_begins_at_zero():
    axes = plots.network(framed_network(hop_saddle=np.full(16, 0.2)))
    assert axes.child_axes[0].get_ylim() == (0.0, pytest.approx(0.2))


def test_long_legends_are_cut_short():
    n_sites = 30
    chain = network_of(
        np.diag([60.0, 5.0, 5.0]),
        np.column_stack([np.arange(n_sites) / n_sites, np.zeros(n_sites), np.zeros(n_sites)]),
        [(k, (k + 1) % n_sites, ((k + 1) // n_sites, 0, 0)) for k in range(n_sites)],
    )
    texts = [text.get_text() for text in plots.network(chain).get_legend().get_texts()]
    assert len(texts) == plots.LEGEND_ROWS
    assert texts[-1] == f"and {n_sites - plots.LEGEND_ROWS + 1} more orbits"


def test_nothing_to_draw_is_drawn_as_nothing(tmp_path):
    """A blocked run has no positive conductivity: empty axes, no warning."""
    blocked = analyse([record(1.0, 300.0, r, ions={"Li+": (4, 0.0)}) for r in range(2)])
    plots.save_arrhenius(blocked, tmp_path / "a.png")
    plots.save_loading(blocked, tmp_path / "l.png")
