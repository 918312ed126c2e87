"""Sections of the report about the ions: who carries the current, where they stay how long, which hops they make."""

from __future__ import annotations

from functools import partial
from typing import Any

from analysis.campaign import Run
from analysis.frames import Trajectory
from analysis.occupation import Occupation
from analysis.page_numbers import celsius, fixed, of_row, powered, superscripts
from analysis.page_parts import Markup, html_table
from analysis.radial_distribution import radial_distribution
from analysis.report_sections import Section, picture
from analysis.report_summary import NAME, best_row, reference_temperature
from analysis.residence import HopCounts, Residence
from analysis.results import analysis_of
from analysis.transport_plots import transference
from analysis.van_hove import van_hove
from structures.errors import InputError

MOST_ROWS = 16  # of a table that is not folded


def transference_section(run: Run) -> Section:
    """Transference numbers against the loading."""
    found = run.transference()
    name, table = run.records[0].composition_name, found.to_frame()
    T = reference_temperature(analysis_of(run))
    rows = [row for row in _records(table) if row["T (K)"] == T]
    ions = list(dict.fromkeys(row["species"] for row in rows))
    if len(ions) < 2:
        return Section("Transference", "transference", "")
    at = {(row[name], row["species"]): row for row in rows}
    body = []
    for x in sorted({row[name] for row in rows}):
        cells: list[str] = [f"{x:.3f}"]
        for ion in ions:
            row = at[x, ion]
            cells += [fixed(*of_row(row, "t"), digits=2), fixed(*of_row(row, "t steady"), digits=2)]
        body.append(cells)
    columns = [NAME.get(name, name)]
    for ion in ions:
        columns += [Markup(f"t of {superscripts(ion)}"), Markup(f"steady-state, {superscripts(ion)}")]
    note = (
        f"At {celsius(T)} °C. t: share of the current in a field, Σ σ_ij / σ; beyond 0 to 1 where ions drag each "
        "other. Steady-state: what a cell measures whose electrodes exchange that ion alone (Bruce, Vincent, Evans). "
        "Intervals keep the correlation of numerator and denominator."
    )
    drawn = ""
    if len({row[name] for row in rows}) > 1:
        drawn = picture(lambda ax: transference(table, name, T, ax), "Transference numbers against the loading")
    return Section("Transference", "transference", drawn + html_table("", columns, body, note=note))


def happened_section(run: Run) -> Section:
    """Occupation, stays, hops, and what the frames tell, as far as the files do."""
    if run.network is None:
        return Section("What the ions do", "ions", "")
    T, pieces = reference_temperature(analysis_of(run)), []
    best = best_row(analysis_of(run), T)
    x = run.records[0].composition if best is None else float(best[run.records[0].composition_name])
    try:
        pieces.append(_occupation(run.occupation(), x, T))
        pieces.append(_stays(run.residence(), x, T))
    except InputError as error:
        pieces.append(f'<p class="note">Occupation and stays: {superscripts(str(error))}.</p>')
    pieces.append(_hops(run.hop_counts(), x, T))
    pieces.append(_frames(run, x, T))
    return Section("What the ions do", "ions", "\n".join(pieces))


def _occupation(found: Occupation, x: float, T: float) -> str:
    name = found.composition_name
    rows = found.at(x, T)
    body = [
        [
            superscripts(row.species), f"{row.label} ({row.orbit})", str(row.sites),
            fixed(row.occupation.value, row.occupation.lo, row.occupation.hi),
            fixed(row.share.value, row.share.lo, row.share.hi), fixed(row.alone),
        ]
        for row in rows
    ]  # fmt: skip
    columns = ["<ion", "<site (orbit)", "per cell", "ions per site", "share of the ions", "of one ion alone"]
    note = (
        f"{NAME.get(name, name)} = {rows[0].composition:.3g}, {celsius(rows[0].temperature)} °C. Of one ion alone: "
        "Boltzmann's share, if no ion met another; a large difference is the work of the other ions."
    )
    drawn = ""
    if len({row.composition for row in found.orbits}) > 1:
        drawn = picture(lambda ax: found.plot(ax, temperature=T), "Occupation of the sites against the loading")
    return f"<h3>Where they are</h3>{drawn}{html_table('', columns, body, note=note)}"


def _stays(found: Residence, x: float, T: float) -> str:
    place = (x, T)
    rows = [row for row in found.orbits if (row.composition, row.temperature) == place]
    body = [
        [
            superscripts(row.species), f"{row.label} ({row.orbit})",
            powered(row.time.value * 1e9, row.time.lo * 1e9, row.time.hi * 1e9), f"{row.departures:,}",
        ]
        for row in rows
    ]  # fmt: skip
    columns = ["<ion", "<site (orbit)", "mean stay, ns", "departures"]
    made = html_table("", columns, body, note="At the same loading and temperature; hops to and fro end a stay, too.")
    return f"<h3>How long they stay</h3>{made}"


def _hops(found: HopCounts, x: float, T: float) -> str:
    rows = sorted(
        (row for row in found.orbits if (row.composition, row.temperature) == (x, T) and row.hops),
        key=lambda row: (row.species, -row.rate.value),
    )
    if not rows:
        return ""
    body = [
        [
            superscripts(row.species), f"{row.ends[0]} – {row.ends[1]}", fixed(row.length, digits=1),
            powered(row.rate.value, row.rate.lo, row.rate.hi), f"{100 * row.share:.1f} %",
            Markup(fixed(100 * row.back.value, 100 * row.back.lo, 100 * row.back.hi, digits=0) + " %"),
        ]
        for row in rows
    ]  # fmt: skip
    columns = ["<ion", "<between", "length, Å", "hops per ion, 1/s", "of all hops", "of them back at once"]
    made = html_table("", columns, body)
    if len(rows) > MOST_ROWS:
        made = f"<details><summary>{len(rows)} kinds of hops</summary>{made}</details>"
    return f"<h3>Which hops they make</h3>{made}"


def _frames(run: Run, x: float, T: float) -> str:
    """Pair correlations and van Hove functions; a line where there are no frames."""
    try:
        frames: list[Trajectory] = run.trajectories(x, T)
        pairs, moves = radial_distribution(frames), van_hove(frames)
    except InputError as error:
        return f'<p class="note">No pair correlations: {superscripts(str(error))}.</p>'
    drawn = picture(pairs.plot, "Pair correlations of the ions")
    for ion in moves.species:
        drawn += picture(partial(moves.plot, species=ion), f"Distances that {ion} covers")
    return f"<h3>How they lie and move, from frames at {celsius(T)} °C</h3>{drawn}"


def _records(frame: Any) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]
