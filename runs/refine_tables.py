"""Old and new energies of a refined network side by side, printed and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import numpy as np
from rich.console import RenderableType

from lattice.network import PoreNetwork
from runs.refine_values import RefinedOrbit, Refinement
from runs.text_tables import TextTable, listing

Values = dict[str, object]

_EFFORT = "energies: calculations of energy and forces."


def refinement_report(refinement: Refinement) -> Iterator[RenderableType]:
    """Yield tables of sites, hops and percolation, old and new."""
    yield _site_table(refinement)
    yield _hop_table(refinement)
    yield _percolation_table(refinement)
    remarks = [
        f"{refinement.old.species[orbit.species].name}, {kind} orbit {orbit.orbit}: {orbit.remark}"
        for kind, orbits in (("site", refinement.sites), ("hop", refinement.hops))
        for orbit in orbits
        if orbit.remark
    ]
    if remarks:
        yield listing("Remarks", remarks)


def sites_csv(refinement: Refinement) -> str:
    """All site orbits, one line each."""
    return _csv([_site_values(refinement, orbit) for orbit in refinement.sites])


def hops_csv(refinement: Refinement) -> str:
    """All hop orbits, one line each."""
    return _csv([_hop_values(refinement, orbit) for orbit in refinement.hops])


def _csv(rows: list[Values]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(rows[0] if rows else ())
    writer.writerows([f"{cell:.6g}" if isinstance(cell, float) else cell for cell in row.values()] for row in rows)
    return text.getvalue()


def _site_values(refinement: Refinement, orbit: RefinedOrbit) -> Values:
    old, new = refinement.old, refinement.new
    return {
        "species": old.species[orbit.species].name,
        "orbit": orbit.orbit,
        "label": old.site_label[orbit.member],
        "per_cell": int((old.site_orbit == orbit.orbit).sum()),
        "old_eV": orbit.old,
        "new_eV": orbit.new,
        "old_above_deepest_eV": orbit.old - _deepest(old, orbit.species),
        "new_above_deepest_eV": orbit.new - _deepest(new, orbit.species),
        "moved_A": orbit.outcome.moved,
        **_effort(orbit, f"site-{orbit.member}"),
    }


def _hop_values(refinement: Refinement, orbit: RefinedOrbit) -> Values:
    old, new, hop = refinement.old, refinement.new, orbit.member
    a, b = int(old.hop_origin[hop]), int(old.hop_target[hop])
    part = orbit.outcome.part
    return {
        "species": old.species[orbit.species].name,
        "orbit": orbit.orbit,
        "from": _name(old, a),
        "to": _name(old, b),
        "per_cell": int((old.hop_orbit == orbit.orbit).sum()) // 2,
        "length_A": float(np.linalg.norm(old.hop_vector[hop])),
        "old_barrier_eV": float(old.hop_saddle[hop] - old.site_energy[a]),
        "new_barrier_eV": float(new.hop_saddle[hop] - new.site_energy[a]),
        "old_back_eV": float(old.hop_saddle[hop] - old.site_energy[b]),
        "new_back_eV": float(new.hop_saddle[hop] - new.site_energy[b]),
        "images": "" if part is None else len(part.energies) - 2,
        **_effort(orbit, f"hop-{hop}"),
    }


def _effort(orbit: RefinedOrbit, structure: str) -> Values:
    part = orbit.outcome.part
    return {
        "refined": "yes" if orbit.refined else "no",
        "force_eV_per_A": "" if part is None else part.force,
        "calculations": 0 if part is None else part.calls,
        "structure": "" if part is None else f"structures/{structure}.xyz",
        "remark": orbit.remark,
    }


def _site_table(refinement: Refinement) -> TextTable:
    table = TextTable(
        "Sites, old and new (eV)",
        (
            "orbit", "<species", "<label", "per cell", "old", "+new", "above deepest, old", "+new", "moved, Å",
            "energies",
        ),
        keys=3,
        caption=f"{_EFFORT} * the old energy stays.",
    )  # fmt: skip
    for orbit in refinement.sites:
        row, star = _site_values(refinement, orbit), _star(orbit)
        table.add_row(
            str(row["orbit"]), str(row["species"]), str(row["label"]), str(row["per_cell"]),
            _number(row["old_eV"], 3), _number(row["new_eV"], 3) + star,
            _number(row["old_above_deepest_eV"], 3), _number(row["new_above_deepest_eV"], 3) + star,
            _number(row["moved_A"], 2), str(row["calculations"]),
        )  # fmt: skip
    return table


def _hop_table(refinement: Refinement) -> TextTable:
    table = TextTable(
        "Hops, old and new barriers (eV)",
        (
            "orbit", "<species", "<from", "<to", "length, Å", "barrier, old", "+new", "back, old", "+new", "images",
            "energies",
        ),
        keys=4,
        caption=(
            f"{_EFFORT} * no saddle found: the old one stays and moves with the mean of both ends, or the higher end "
            "is taken for it, see the remarks."
        ),
    )  # fmt: skip
    for orbit in refinement.hops:
        row, star = _hop_values(refinement, orbit), _star(orbit)
        table.add_row(
            str(row["orbit"]), str(row["species"]), str(row["from"]), str(row["to"]), _number(row["length_A"], 2),
            _number(row["old_barrier_eV"], 3), _number(row["new_barrier_eV"], 3) + star,
            _number(row["old_back_eV"], 3), _number(row["new_back_eV"], 3) + star,
            str(row["images"]), str(row["calculations"]),
        )  # fmt: skip
    return table


def _percolation_table(refinement: Refinement) -> TextTable:
    old, new = refinement.old, refinement.new
    table = TextTable(
        "Percolation above the deepest site (eV)",
        ("<species", "1D, old", "+new", "2D, old", "+new", "3D, old", "+new"),
    )
    for index in sorted({orbit.species for orbit in refinement.sites}):
        pairs = zip(old.percolation[index], new.percolation[index], strict=True)
        lowest = _deepest(old, index), _deepest(new, index)
        cells = [f"{e - e0:.3f}" if np.isfinite(e) else "never" for p in pairs for e, e0 in zip(p, lowest, strict=True)]
        table.add_row(old.species[index].name, *cells)
    return table


def _star(orbit: RefinedOrbit) -> str:
    return "" if orbit.refined and not orbit.barrierless else "*"


def _number(value: object, digits: int) -> str:
    return f"{value:.{digits}f}" if isinstance(value, float) and np.isfinite(value) else ""


def _deepest(network: PoreNetwork, species: int) -> float:
    return float(network.site_energy[network.site_species == species].min())


def _name(network: PoreNetwork, site: int) -> str:
    return f"{network.site_label[site]} ({network.site_orbit[site]})"
