"""All pictures of a campaign by name, for files and pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure, SubFigure

from analysis.campaign import Analysis
from analysis.experiments import comparison
from analysis.plot_style import save_figure
from analysis.plots import arrhenius, loading, network_figure
from analysis.report_summary import reference_temperature
from analysis.transport_plots import compared, diffusion, haven
from analysis.transport_plots import transference as drawn_transference
from lattice.network import PoreNetwork

FORMATS = ("png", "svg")


def campaign_figures(
    analysis: Analysis,
    network: PoreNetwork | None,
    material: str = "",
    transference: pd.DataFrame | None = None,
) -> Iterator[tuple[str, Figure | SubFigure]]:
    """Yield name and figure of every picture that the results have something for.

    Parameters
    ----------
    analysis : Analysis
    network : PoreNetwork or None
    material : str
        Whose measured values are drawn beside; empty for none.
    transference : DataFrame, optional
        As `Run.transference().to_frame()` gives it.
    """
    yield "arrhenius", arrhenius(analysis).figure
    yield "loading", loading(analysis, material=material or None).figure
    yield "diffusion", diffusion(analysis, reference_temperature(analysis)).figure
    yield "haven", haven(analysis).figure
    if transference is not None and transference["species"].nunique() > 1:
        yield "transference", drawn_transference(transference, analysis.composition_name).figure
    if material:
        table = comparison(material, analysis.conductivity)
        if len(table) and table["computed/measured"].notna().any():
            yield "comparison", compared(table).figure
    if network is not None:
        yield "network", network_figure(network)


def save_campaign_figures(
    folder: Path,
    analysis: Analysis,
    network: PoreNetwork | None,
    *,
    material: str = "",
    transference: pd.DataFrame | None = None,
    footnote: Sequence[str] = (),
) -> list[str]:
    """Write every picture as PNG and as SVG; return the names of the files."""
    written = []
    for name, figure in campaign_figures(analysis, network, material, transference):
        for form in FORMATS:
            save_figure(figure, folder / f"{name}.{form}", footnote if form == FORMATS[0] else ())
            written.append(f"{name}.{form}")
    return written
