"""What `mofkmc calibrate` does: numbers of a deck fitted to measurements, with what the measurements leave open."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.calibration import Fit, Likelihood, first_points, fit_parameters, likelihood_of, next_points
from runs.calibrate_plan import CalibrationPlan, plan_calibration
from runs.calibrate_points import Simulated, conductivities, prepare
from runs.calibrate_record import FILES, ParameterSet, coordinates, read_record, results, write_record
from runs.deck_file import DeckFile
from runs.exit_status import COMPLETE
from runs.folder import ResultsFolder
from runs.job import exit_status, whole_run
from runs.progress import reporter
from runs.ranks import Ranks, find_ranks
from runs.run_request import RunRequest
from runs.seeds import stream
from runs.text_tables import output_console
from structures.errors import InputError

BATCHES = 3  # in which the points after the first half are drawn
DIGITS = 4  # of the values of parameters, so that a deck shows what was run
FEWEST_KNOWN = 3  # sets of parameters with a conductivity, or all there are


@dataclass(frozen=True, slots=True)
class CalibrateRequest:
    """The options of one call.

    Attributes
    ----------
    output : Path
    force : bool
        Replace an earlier calibration in that folder.
    quick : bool
        Fewer and shorter simulations.
    threads : int or None
    time_limit_s : float or None, s
    quiet : bool
    """

    output: Path
    force: bool = False
    quick: bool = False
    threads: int | None = None
    time_limit_s: float | None = None
    quiet: bool = False


def calibrate_job(file: DeckFile, request: CalibrateRequest) -> int:
    """Simulate sets of parameters, fit, print and write; what an earlier call has simulated is not repeated.

    Returns
    -------
    int
        Exit status, as of `run`.

    Raises
    ------
    InputError
        If the deck cannot be calibrated, or the folder holds something else.
    """
    ranks = find_ranks()
    plan = ranks.on_first(lambda: plan_calibration(file, quick=request.quick))
    sets = ranks.on_first(lambda: read_record(request.output, plan, force=request.force))
    begun = time.monotonic()
    with ExitStack() as held:
        ranks.on_first(lambda: _take_folder(request, held))
        while added := ranks.on_first(partial(further_sets, plan, sets)):
            sets = [*sets, *added] if all(entry.found for entry in sets) else sets
            ranks.on_first(partial(write_record, request.output, plan, sets))
            for n, entry in enumerate(sets):
                if entry.found is None:
                    found = simulate(plan, sets, n, request, ranks, begun)
                    if isinstance(found, int):
                        return found
                    sets[n] = replace(entry, found=found)
                    ranks.on_first(partial(write_record, request.output, plan, sets))
        ranks.on_first(partial(_conclude, plan, sets, request))
    return COMPLETE


def _take_folder(request: CalibrateRequest, held: ExitStack) -> None:
    """Make and lock the folder; take out what an earlier calibration left if it is to be replaced."""
    folder = request.output
    folder.mkdir(parents=True, exist_ok=True)
    held.enter_context(ResultsFolder(folder).lock.held(_say, lambda reason: None))
    if request.force and (folder / FILES[0]).is_file():
        shutil.rmtree(folder / "points", ignore_errors=True)
        for name in FILES:
            (folder / name).unlink(missing_ok=True)


def further_sets(plan: CalibrationPlan, sets: Sequence[ParameterSet]) -> list[ParameterSet]:
    """Give the sets of parameters to simulate next: those that are missing, or else new ones; none at the end.

    The first half fills the ranges evenly; the others are drawn where the measurements leave them likely, in batches,
    each from a fit to all before. They follow from the seed of the deck and from what the others have given.
    """
    if missing := [entry for entry in sets if entry.found is None]:
        return missing
    done = len(sets) // len(plan.choices)
    if done >= plan.points:
        return []
    first = math.ceil(plan.points / 2) if plan.ranges and plan.simulated else plan.points
    size = first if done == 0 else math.ceil((plan.points - first) / BATCHES)
    size = min(size, plan.points - done)
    added = []
    for choice in range(len(plan.choices)):
        rng = stream(plan.file.deck.scan.seed, f"calibration, choice {choice}, {done} sets")
        if done == 0:
            places = first_points(len(plan.ranges), size, rng)
        else:
            places = next_points(_likelihood(plan, sets, choice), size, rng)
        added += [ParameterSet(choice, _values(plan, place)) for place in places]
    return added


def _values(plan: CalibrationPlan, place: NDArray[np.float64]) -> dict[str, float]:
    """Values of coordinates, with a few digits and inside their ranges."""
    values = {}
    for given, u in zip(plan.ranges, place, strict=True):
        rounded = float(f"{float(given.values(u)):.{DIGITS}g}")
        values[given.key] = min(max(rounded, given.low), given.high)
    return values


def _likelihood(plan: CalibrationPlan, sets: Sequence[ParameterSet], choice: int) -> Likelihood:
    mine = [entry for entry in sets if entry.choice == choice]
    logs, errors = results(plan, mine)
    known = np.isfinite(logs) & np.isfinite(errors)
    wanted = min(FEWEST_KNOWN, len(mine))
    for j, target in enumerate(plan.targets):
        if known[:, j].sum() < wanted:
            reasons = [entry.found.failed for entry in mine if entry.found and entry.found.failed]
            said = f"; {reasons[0]}" if reasons else "; nothing moved in the others, or too little for an interval"
            raise InputError(
                f"{target.sample}: expected a conductivity from at least {wanted} of the {len(mine)} sets of "
                f"parameters, found {int(known[:, j].sum())}{said}"
            )
    return likelihood_of(plan.ranges, plan.targets, plan.relations, coordinates(plan, mine), logs, errors)


def simulate(
    plan: CalibrationPlan, sets: Sequence[ParameterSet], n: int, request: CalibrateRequest, ranks: Ranks, begun: float
) -> Simulated | int:
    """Run one set of parameters, or what of it is missing; return an exit status if that was interrupted."""
    entry, path = sets[n], request.output / "points" / f"p{n + 1:03d}"
    values = {**plan.choices[entry.choice], **entry.values}
    with reporter(output_console(stderr=True), quiet=True) as report:
        cut = ranks.on_first(lambda: prepare(plan, values, n + 1, path, report))
    nothing = (float("nan"),) * len(plan.targets)
    if isinstance(cut, str):
        _tell(request, ranks, f"{_progress(plan, sets, n)}: left out: {cut}")
        return Simulated(nothing, nothing, (), cut)
    left = None if request.time_limit_s is None else max(request.time_limit_s - (time.monotonic() - begun), 1.0)
    outcome = whole_run(cut, RunRequest(path, threads=request.threads, time_limit_s=left, quiet=True, tables=False))
    if outcome.interrupted:
        return exit_status(outcome)
    if outcome.failures:
        key, reason = next(iter(outcome.failures.items()))
        _tell(request, ranks, f"{_progress(plan, sets, n)}: left out: {key} failed: {reason}")
        return Simulated(nothing, nothing, (), f"{key} failed: {reason}")
    found = ranks.on_first(lambda: conductivities(plan, path))
    said = ", ".join(
        f"{math.exp(log):.2e}{f' ± {100 * error:.0f} %' if math.isfinite(error) else ' without an interval'}"
        if math.isfinite(log)
        else "0"
        for log, error in zip(found.log_sigma, found.error, strict=True)
    )
    _tell(request, ranks, f"{_progress(plan, sets, n)}: sigma {said} S/cm")
    return found


def _progress(plan: CalibrationPlan, sets: Sequence[ParameterSet], n: int) -> str:
    entry = sets[n]
    values = ", ".join(f"{key} = {value:g}" for key, value in {**plan.choices[entry.choice], **entry.values}.items())
    return f"{n + 1} of {plan.points * len(plan.choices)}, {values}"


def _tell(request: CalibrateRequest, ranks: Ranks, text: str) -> None:
    if ranks.is_first and not request.quiet:
        _say(text)


def _say(text: str) -> None:
    output_console(stderr=True).print(f"mofkmc: {text}", markup=False, highlight=False, soft_wrap=True)


def _conclude(plan: CalibrationPlan, sets: Sequence[ParameterSet], request: CalibrateRequest) -> None:
    """Fit, print and write."""
    from runs.calibrate_tables import calibration_report
    from runs.calibrate_writing import write_calibration

    fits = fitted(plan, sets)
    console = output_console()
    for part in calibration_report(plan, sets, fits):
        console.print(part)
    written = write_calibration(request.output, plan, sets, fits)
    console.print(f"\nWritten to {request.output}: {', '.join(written)}", markup=False)


def fitted(plan: CalibrationPlan, sets: Sequence[ParameterSet]) -> list[Fit]:
    """Fit the parameters at every choice."""
    return [
        fit_parameters(
            _likelihood(plan, sets, choice), stream(plan.file.deck.scan.seed, f"calibration, choice {choice}, fit")
        )
        for choice in range(len(plan.choices))
    ]
