"""One set of parameters: the deck with these values as an ordinary run, and ln sigma at the targets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analysis.calibration import Target
from analysis.campaign import open_run
from analysis.point import transport_at
from analysis.statistics import Interval, normal_quantile
from runs.calibrate_plan import CalibrationPlan
from runs.composition import possible_loadings
from runs.deck_file import DeckFile
from runs.deck_override import with_values
from runs.folder import Beginning, ResultsFolder
from runs.job import build_lattice
from runs.model import build_model
from runs.progress import Reporter
from runs.seeds import stream
from structures.errors import InputError

_WHOLE = 1e-3  # of an ion: so near to a whole number of ions a measured loading counts as that one


@dataclass(frozen=True, slots=True)
class Simulated:
    """What a set of parameters has given.

    Attributes
    ----------
    log_sigma, error : tuple of float
        At every target; nan where nothing moved or no interval could be given.
    loadings : tuple of tuple of (float, float)
        Loadings that were simulated for each target, and their weights.
    failed : str
        Why it could not be simulated; empty if it could.
    """

    log_sigma: tuple[float, ...]
    error: tuple[float, ...]
    loadings: tuple[tuple[tuple[float, float], ...], ...]
    failed: str = ""


def prepare(
    plan: CalibrationPlan, values: Mapping[str, float], number: int, path: Path, report: Reporter
) -> DeckFile | str:
    """Make the folder of a set of parameters ready for its run; return the deck to run, or why it cannot be.

    The network is that of the whole deck, whose temperatures decide which basins are sites; only the loadings and
    temperatures of the targets are run on it. Every set has random numbers of its own: with the same ones the errors of
    similar sets would be alike, and not average out.
    """
    folder = ResultsFolder(path)
    try:
        whole = with_values(plan.file, {**values, **_all_temperatures(plan)})
        if folder.deck.is_file() and folder.network.is_file():
            network = folder.read_network(lambda text: None)
            model = build_model(whole, report, kept=network)
        else:
            model = build_model(whole, report)
        needed = {
            x for target in plan.targets for x, _ in bracket(target, possible_loadings(whole.deck, model.network))
        }
        cut = with_values(whole, {**_cut(plan, sorted(needed)), "scan.seed": seed_of(plan.file.deck.scan.seed, number)})
        if not (folder.deck.is_file() and folder.network.is_file()):
            build_lattice(build_model(cut, report, kept=model.network), 1)
            path.mkdir(parents=True, exist_ok=True)
            folder.begin(Beginning(cut, continued=False), model.network.content_hash)
            model.network.save(folder.network)
    except InputError as error:
        return str(error).splitlines()[0]
    return cut


def seed_of(seed: int, number: int) -> int:
    """Give the seed of a set of parameters, which follows from that of the deck and the number of the set."""
    return int(stream(seed, f"calibration, set {number}").integers(2**53))


def _all_temperatures(plan: CalibrationPlan) -> dict[str, Any]:
    """Temperatures of the deck and of the targets together, K, where the deck lacks one."""
    scan = plan.file.deck.scan
    wanted = sorted({*scan.temperatures, *(round(target.temperature, 6) for target in plan.targets)})
    if wanted == list(scan.temperatures):
        return {}
    return {"scan.temperatures_C": None, "scan.temperatures_K": wanted}


def _cut(plan: CalibrationPlan, loadings: Sequence[float]) -> dict[str, Any]:
    """Values of [scan] and [output] that leave nothing but the targets."""
    return {
        "scan.exchange_fractions": list(loadings),
        "scan.temperatures_C": None,
        "scan.temperatures_K": sorted({round(target.temperature, 6) for target in plan.targets}),
        "scan.fields_V_per_cm": None,
        "scan.field_along": None,
        "scan.refine": None,
        "scan.refine_loadings": None,
        "output.windows_C": None,
        "output.plots": False,
        "output.frames_every": None,
    }


def bracket(target: Target, possible: Sequence[float]) -> tuple[tuple[float, float], ...]:
    """Find the loadings of whole ions around that of a target, with the weights of linear interpolation.

    Raises
    ------
    InputError
        If the loading of the target lies outside of those that can be simulated.
    """
    known, wanted = np.asarray(possible), target.exchange
    step = float(np.diff(known).min()) if len(known) > 1 else 1.0
    nearest = float(known[np.abs(known - wanted).argmin()]) if len(known) else math.nan
    if abs(nearest - wanted) <= _WHOLE * step:
        return ((nearest, 1.0),)
    if not len(known) or not known[0] < wanted < known[-1]:
        raise InputError(f"{target.sample}: expected loadings around x = {wanted:g} in the supercell, found none")
    right = int(np.searchsorted(known, wanted))
    low, high = float(known[right - 1]), float(known[right])
    share = (wanted - low) / (high - low)
    return ((low, 1.0 - share), (high, share))


def conductivities(plan: CalibrationPlan, path: Path) -> Simulated:
    """Give ln sigma at every target from the files of a run, interpolated linearly in x between whole ions."""
    run = open_run(path)
    there = sorted({record.composition for record in run.records})
    logs, errors, loadings = [], [], []
    for target in plan.targets:
        parts = bracket(target, there)
        log, variance = 0.0, 0.0
        for x, weight in parts:
            sigma = transport_at(run.replicas(x, target.temperature), run.network).sigma
            log += weight * (math.log(sigma.value) if sigma.value > 0 else math.nan)
            variance += (weight * _log_error(sigma)) ** 2
        logs.append(log)
        errors.append(math.sqrt(variance))
        loadings.append(parts)
    return Simulated(tuple(logs), tuple(errors), tuple(loadings))


def _log_error(sigma: Interval) -> float:
    """Give the standard error of ln sigma; from the upper half of an interval whose lower one reaches zero."""
    if math.isfinite(sigma.log_error) or not (sigma.value > 0 and math.isfinite(sigma.hi)):
        return sigma.log_error
    return math.log(sigma.hi / sigma.value) / normal_quantile()
