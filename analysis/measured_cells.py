"""Cells of the literature, and how much of what they lose the transport in their separator can account for.

Neither paper prints the loading of an electrode: results are functions of the areal capacity, which is that of the
lowest printed rate in mAh per cm² of electrode. What limits besides the separator, charge transfer, solid diffusion,
pores of the electrode, contacts, is not modelled and not invented: shares are upper bounds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.experiments import ROOM, MeasuredConductivity, measured, measured_transference, section
from analysis.separators import Separator, interval_of, loss_table
from analysis.statistics import Interval
from analysis.transport import with_ends
from structures.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

NAN = float("nan")
AREAL_MAH_PER_CM2 = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_RATE = re.compile(r"([\d.]+)(C|A/g)")
_CAPACITY = "discharge_capacity_mAh_per_g"
_ONE_C = ("C_rate_mA_per_g", "1C_mA_per_g")


@dataclass(frozen=True, slots=True)
class Rate:
    """A printed rate: its name, mA per g of active material, and the capacity that the cell gave at it, mAh/g."""

    name: str
    mA_per_g: float  # noqa: N815
    mAh_per_g: float  # noqa: N815


@dataclass(frozen=True, slots=True)
class MeasuredCell:
    """A cell with its printed rates, slowest first.

    Attributes
    ----------
    name : str
    thickness_cm, area_cm2 : float
        Of the separator.
    rates : tuple of Rate
    """

    name: str
    thickness_cm: float
    area_cm2: float
    rates: tuple[Rate, ...]

    @property
    def full(self) -> float:
        """Capacity at the slowest rate, mAh/g: what faster ones are counted against."""
        return self.rates[0].mAh_per_g


def geometry(material: str) -> tuple[float, float]:
    """Thickness, cm, and area, cm², of the separator that was measured.

    Raises
    ------
    InputError
        If the data of the material tell none.
    """
    found = section(material)
    part = found.get("membrane", found)
    thickness = part["thickness_um"] * 1e-4 if "thickness_um" in part else part.get("layer_thickness_mm", NAN) * 0.1
    diameter = part.get("diameter_mm", part.get("electrode_diameter_mm", NAN)) * 0.1
    if not thickness * diameter > 0:
        raise InputError(f"{material}: expected thickness and diameter of a separator in its data; found none")
    return float(thickness), float(np.pi / 4 * diameter**2)


def measured_cells(material: str) -> tuple[MeasuredCell, ...]:
    """Cells whose capacity is printed at several rates."""
    found = []
    for where, part in section(material).items():
        for key, rates in part.items() if isinstance(part, dict) else ():
            if key.endswith(_CAPACITY) and isinstance(rates, dict):
                prefix = key.removesuffix(_CAPACITY)
                one_C = next((part[prefix + end] for end in _ONE_C if prefix + end in part), NAN)
                name = f"{material} {(prefix or where).removesuffix('_').removesuffix('_cell')}"
                every = sorted((_rate(text, one_C, value) for text, value in rates.items()), key=lambda r: r.mA_per_g)
                found.append(MeasuredCell(name, *geometry(material), tuple(every)))
    return tuple(found)


def measured_separator(material: str, sample: str, salt_mol_per_L: float | None = None) -> Separator:
    """Separator of a sample with the conductivity and transference number printed for it at 25 °C, without intervals.

    Parameters
    ----------
    material, sample : str
    salt_mol_per_L : float, optional
        Makes it a dilute salt; without it a sample with a known exchange is taken as counter-ions of a fixed charge.

    Raises
    ------
    InputError
        If one of both is not printed.
    """
    sigma = [p for p in measured(material) if p.sample == sample and abs(p.temperature - ROOM) < 0.01]
    t = [p for p in measured_transference(material) if p.sample == sample]
    if not sigma or not t:
        known = sorted({p.sample for p in measured_transference(material)})
        raise InputError(f"sample: expected one with printed sigma at 25 °C and t_Li, {', '.join(known) or 'none'} of "
                         f"{material}; found {sample}")  # fmt: skip
    thickness, area = geometry(material)
    free = salt_mol_per_L is None and t[0].t_Li < 1
    return Separator(
        thickness_cm=thickness,
        area_cm2=area,
        sigma=Interval(sigma[0].sigma, NAN, NAN),
        t_Li=Interval(t[0].t_Li, NAN, NAN),
        salt_mol_per_L=salt_mol_per_L,
        exchange=(sigma[0].exchange or None) if free else None,
        label=sample,
        origin=(f"sigma {sigma[0].sigma:g} S/cm and t_Li {t[0].t_Li:g} of {sample} as printed, no errors printed",),
    )


def overpotential_shares(material: str = "ni_mof", separators: Sequence[Separator] = ()) -> pd.DataFrame:
    """Shares of the printed overpotential of a symmetric Li cell that are transport through its separator.

    Parameters
    ----------
    material : str
    separators : sequence of Separator
        Of computed samples for instance. In front of them come all samples with a printed sigma at 25 °C: with a
        printed t_Li once as counter-ions of the framework alone and once as a dissolved salt (1 mol/L, which cancels
        where the diffusivity follows from sigma and t); the membranes hold both.

    Returns
    -------
    DataFrame
        separator, polarises, i (mA/cm2), measured (mV), then ohmic, concentration and steady (mV), their shares of the
        measured value, and "rest (mV)": interfaces, charge transfer, contacts; not modelled.
    """
    import pandas as pd

    part = section(material).get("cells", {})
    try:
        i, volts = (float(part[f"symmetric_Li_{key}"]) for key in ("current_mA_per_cm2", "overpotential_mV"))
    except KeyError:
        raise InputError(f"{material}: expected a symmetric Li cell in its data; found none") from None
    rows = []
    for one in (*_measured_separators(material), *separators):
        known = one.label not in _without_t(material)
        loss = loss_table(one, [i]).iloc[0]
        row: dict[str, Any] = {"separator": one.label, "polarises": one.kind if known else "t_Li not printed"}
        row |= {"i (mA/cm2)": i, "measured (mV)": volts}
        for name in ("ohmic", "concentration", "steady"):
            for end in ("", " lo", " hi"):
                row[f"{name}{end} (mV)"] = loss[f"{name}{end} (mV)"] if known or name == "ohmic" else NAN
        for name in ("ohmic", "steady"):
            for end in ("", " lo", " hi"):
                row[f"{name} share{end}"] = row[f"{name}{end} (mV)"] / volts
        row["rest (mV)"] = volts - (row["steady (mV)"] if known else row["ohmic (mV)"])
        rows.append(row)
    return pd.DataFrame(rows)


def rate_table(
    cell: MeasuredCell, separator: Separator, areal_mAh_per_cm2: Sequence[float] = AREAL_MAH_PER_CM2
) -> pd.DataFrame:
    """Put the separator beside the printed rates, for areal capacities that the paper does not print.

    Above the limiting current the discharge ends at the latest when Li+ runs out at one electrode: the separator lets
    no more through than i · transition time. What that is short of the capacity at the slowest rate is lost to
    depletion alone. Capacity that the voltage window cuts off because of the voltage lost comes on top and is not
    modelled: it depends on the slope of the discharge curve, which is not printed. Salt in the pores of the electrode,
    not modelled either, would put the depletion off.

    Returns
    -------
    DataFrame
        One row per areal capacity and rate: cell, areal (mAh/cm2), rate, rate (mA/g), measured (mAh/g), the columns of
        `loss_table`, discharge (s) as measured and full (s) for all the capacity of the slowest rate, "transport
        (mAh/g)" that the separator lets through at most, "share of loss": the part of the measured loss that depletion
        alone makes, both with lo and hi (nan for the slowest rate), and "loading possible": False where less gets
        through than was measured, so that with this separator the areal capacity was lower.
    """
    import pandas as pd

    rows = []
    drawn = separator.draws()
    for areal in areal_mAh_per_cm2:
        if not (np.isfinite(areal) and areal > 0):
            raise InputError(f"areal capacity: expected numbers above 0 in mAh/cm2; found {areal:g}")
        grams = areal / cell.full  # per cm²
        currents = [rate.mA_per_g * grams for rate in cell.rates]
        for rate, i, loss in zip(cell.rates, currents, loss_table(separator, currents).to_dict("records"), strict=True):
            through = np.minimum(i * drawn.transition(i * 1e-3) / 3600 / grams, cell.full)
            lost = cell.full - rate.mAh_per_g
            share = np.minimum((cell.full - through) / lost, 1.0) if lost > 0 else np.full_like(through, np.nan)
            row: dict[str, Any] = {"cell": cell.name, "areal (mAh/cm2)": float(areal), "rate": rate.name}
            row |= {"rate (mA/g)": rate.mA_per_g, "measured (mAh/g)": rate.mAh_per_g}
            row |= {str(key): value for key, value in loss.items()}
            row |= {
                "discharge (s)": 3600 * rate.mAh_per_g / rate.mA_per_g,
                "full (s)": 3600 * cell.full / rate.mA_per_g,
            }
            row |= with_ends("transport", "mAh/g", interval_of(through))
            row |= with_ends("share of loss", "", interval_of(share))
            row["loading possible"] = bool(np.isnan(through[0]) or through[0] >= rate.mAh_per_g)
            rows.append(row)
    return pd.DataFrame(rows)


def onset_table(
    cell: MeasuredCell, separator: Separator, areal_mAh_per_cm2: Sequence[float] = AREAL_MAH_PER_CM2
) -> pd.DataFrame:
    """Rates at which the separator alone begins to limit, by areal capacity.

    Returns
    -------
    DataFrame
        cell, areal (mAh/cm2), "no steady state (mA/g)": the rate of the limiting current, and "capacity lost (mA/g)":
        the rate from which Li+ runs out at one electrode before the capacity of the slowest rate has passed, each with
        lo and hi and in units of the slowest rate ("... / slowest").
    """
    import pandas as pd

    drawn, rows = separator.draws(), []
    slowest = cell.rates[0].mA_per_g
    for areal in areal_mAh_per_cm2:
        grams = areal / cell.full
        steady = 1e3 * drawn.limiting_current() / grams
        lost = 1e3 * drawn.current_that_passes(areal * 3.6) / grams
        row: dict[str, Any] = {"cell": cell.name, "areal (mAh/cm2)": float(areal)}
        for name, values in (("no steady state", steady), ("capacity lost", lost)):
            row |= with_ends(name, "mA/g", interval_of(values))
            row[f"{name} / slowest"] = float(values[0] / slowest)
        rows.append(row)
    return pd.DataFrame(rows)


def largest_loadings(cell: MeasuredCell, separator: Separator) -> pd.DataFrame:
    """Areal capacity above which the measured capacity could not have passed a separator, at every printed rate.

    Returns
    -------
    DataFrame
        cell, rate, "areal at most (mAh/cm2)" with lo and hi, "mg/cm2 at most" of active material.
    """
    import pandas as pd

    rows = []
    drawn = separator.draws()
    for rate in cell.rates:
        hours = rate.mAh_per_g / rate.mA_per_g
        areal = 1e3 * drawn.current_of_transition(3600 * hours) / rate.mA_per_g * cell.full
        row: dict[str, Any] = {"cell": cell.name, "rate": rate.name}
        row |= with_ends("areal at most", "mAh/cm2", interval_of(areal))
        row["mg/cm2 at most"] = float(areal[0] / cell.full * 1e3)
        rows.append(row)
    return pd.DataFrame(rows)


def _without_t(material: str) -> tuple[str, ...]:
    """List the samples with a printed sigma at 25 °C and no printed transference number."""
    known = {p.sample for p in measured_transference(material)}
    return tuple(p.sample for p in measured(material) if _at_room(p) and p.sample not in known)


def _at_room(point: MeasuredConductivity) -> bool:
    return abs(point.temperature - ROOM) < 0.01


def _measured_separators(material: str) -> Iterator[Separator]:
    """Yield every sample with a printed sigma at 25 °C, with each thing in it that may polarise."""
    bare = _without_t(material)
    for point in measured(material):
        if not _at_room(point):
            continue
        if point.sample in bare:  # the ohmic drop alone
            one = Interval(1.0, NAN, NAN)
            yield Separator(*geometry(material), Interval(point.sigma, NAN, NAN), one, label=point.sample)
            continue
        for c in (None, 1.0):
            found = measured_separator(material, point.sample, c)
            if found.kind != "small currents":
                yield found


def _rate(text: str, one_C: float, capacity: float) -> Rate:
    match = _RATE.fullmatch(text)
    if match is None:
        raise InputError(f"rate: expected one such as 0.2C or 0.2A/g; found {text!r}")
    per_g = float(match[1]) * (one_C if match[2] == "C" else 1000.0)
    return Rate(text, per_g, float(capacity))
