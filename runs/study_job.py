"""What `mofkmc run` does with a study: its calibration, then every run that is not finished, then the tables."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from runs.deck_file import DeckFile, read_deck
from runs.deck_override import with_values
from runs.exit_status import COMPLETE, INCOMPLETE, INTERRUPTED, REFUSED
from runs.faults import writing
from runs.job import whole_run
from runs.lock import FolderLock
from runs.progress import duration, reporter
from runs.ranks import find_ranks
from runs.run_request import RunRequest
from runs.schedule import INTERRUPTED_BY_USER
from runs.signals import time_left
from runs.study import Member, StudyFile, deck_of, hops_of, members_of, read_study
from runs.text_tables import output_console
from structures.errors import InputError
from structures.files import whole_file
from structures.versions import program_versions

COPY, STATE = "study.toml", "study.json"
CALIBRATION, CALIBRATED = "calibration", "calibrated.toml"


@dataclass(frozen=True, slots=True)
class MemberState:
    """What became of a run of a study.

    Attributes
    ----------
    deck : str
        Checksum of the text of its deck.
    base : str
        That of the same without the parameters of a calibration.
    status : {"complete", "incomplete", "refused"}
    reason : str
        Of what is not complete; empty otherwise.
    seconds : float
        Wall time that it took.
    """

    deck: str
    base: str
    status: str
    reason: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the calibration of a study has come to.

    Attributes
    ----------
    mark : Mapping of str to value
        The table [calibrated] that decks carry, by dotted keys.
    values : tuple of Mapping of str to float
        Best values by dotted keys, and behind them draws from the posterior.
    targets : tuple of (str, float)
        Sample and temperature, °C, of every measured value that was fitted to.
    """

    mark: Mapping[str, Any]
    values: tuple[Mapping[str, float], ...]
    targets: tuple[tuple[str, float], ...] = ()

    def applied(self, member: Member) -> DeckFile:
        """Return the deck of a run with the parameters that it takes; what the study itself sets goes before them."""
        if not member.is_calibrated:
            return member.file
        fitted = {key: value for key, value in self.values[member.draw].items() if key not in member.values}
        return with_values(member.file, {**fitted, **self.mark})


@dataclass(frozen=True, eq=False, slots=True)
class StudyCall:
    """One call of `mofkmc run` with a study.

    Attributes
    ----------
    study : StudyFile
    request : RunRequest
        `output` is the folder in which every run has its own.
    quick : bool
        With the values that the study gives for a quick look.
    deadline : float or None, s
        On the monotonic clock.
    """

    study: StudyFile
    request: RunRequest
    quick: bool
    deadline: float | None

    @property
    def folder(self) -> Path:
        """Folder of the study."""
        return self.request.output

    def seconds_left(self) -> float | None:
        """Wall time that is left, at least one second; None without a limit."""
        return None if self.deadline is None else max(1.0, self.deadline - time.monotonic())

    def of_member(self, folder: Path, *, replaces: bool) -> RunRequest:
        """Return the request for one run: its own folder, what is left of the time, and no tables on the screen."""
        left = self.seconds_left()
        quiet = not self.request.verbose
        return replace(self.request, output=folder, time_limit_s=left, tables=False, quiet=quiet, force=replaces)


def study_job(study: StudyFile, request: RunRequest, *, quick: bool = False) -> int:
    """Run all of a study that is not there yet, and make its tables.

    Every process that a launcher has started calls this.

    Parameters
    ----------
    study : StudyFile
    request : RunRequest
        `output` is the folder in which every run has its own.
    quick : bool
        With the values that the study gives for a quick look.

    Returns
    -------
    int
        Exit status: 0 all done, or stopped and ready to go on; 1 some runs failed or were refused; 130 interrupted.

    Raises
    ------
    InputError
        If the study or one of its decks is wrong, or the folder holds something else.
    """
    ranks, (seconds, limit) = find_ranks(), time_left(request.time_limit_s)
    call = StudyCall(study, request, quick, None if seconds is None else time.monotonic() + seconds)
    members = ranks.on_first(lambda: members_of(study, quick=quick))
    with ExitStack() as held:
        states = ranks.on_first(lambda: take_folder(call, held))
        ranks.on_first(lambda: refuse_changed(call, members, states))
        fitted = calibrate(call, members)
        if isinstance(fitted, str):
            return stopped_early(call, fitted, members, states)
        for number, member in enumerate(members):
            file = fitted.applied(member)
            checksum = checksum_of(file)
            before = states.get(member.name)
            if before is not None and (before.deck, before.status) == (checksum, "complete"):
                continue
            if call.deadline is not None and ranks.any(time.monotonic() >= call.deadline):
                return stopped_early(call, limit, members, states, fitted)
            if ranks.is_first:
                say(f"{number + 1} of {len(members)}: {member.name}{remaining(members[number:], members, states)}")
            replaces = before is not None and before.deck != checksum
            state, stopped = run_member(call.of_member(call.folder / member.name, replaces=replaces), file, member)
            states[member.name] = state
            if ranks.is_first:
                keep(call.folder, states)
            if stopped:
                return stopped_early(call, stopped, members, states, fitted)
        if ranks.is_first:
            present(call, members, states, fitted)
    return COMPLETE if all(states[member.name].status == "complete" for member in members) else INCOMPLETE


def stopped_early(
    call: StudyCall,
    reason: str,
    members: Sequence[Member],
    states: Mapping[str, MemberState],
    fitted: Calibration | None = None,
) -> int:
    """Make the tables of what is there unless the user waits, say how far the study is, and return the exit status."""
    if find_ranks().is_first:
        done = sum(one.name in states and states[one.name].status == "complete" for one in members)
        if done and fitted is not None and reason != INTERRUPTED_BY_USER:
            present(call, members, states, fitted)
        say(f"{reason}; {done} of {len(members)} runs in {call.folder} are complete: resume with the same command")
    return INTERRUPTED if reason == INTERRUPTED_BY_USER else COMPLETE


def run_member(request: RunRequest, file: DeckFile, member: Member) -> tuple[MemberState, str]:
    """Run one deck of the study, or what is missing of it; a refused one is a result of the study.

    Returns
    -------
    MemberState
    str
        Why everything was stopped; empty if nothing was.
    """
    begun, of = time.monotonic(), (checksum_of(file), checksum_of(member.file))
    try:
        outcome = whole_run(file, request)
    except InputError as error:
        reason = str(error).splitlines()[0]
        if find_ranks().is_first:
            say(f"refused: {reason}")
        return MemberState(*of, "refused", reason, time.monotonic() - begun), ""
    except SystemExit as end:  # of a rank that does not speak
        if end.code != REFUSED:
            raise
        return MemberState(*of, "refused"), ""
    seconds = time.monotonic() - begun
    if outcome.interrupted:
        return MemberState(*of, "incomplete", outcome.reason, seconds), outcome.reason
    if outcome.failures:
        key, reason = next(iter(outcome.failures.items()))
        said = f"{len(outcome.failures)} tasks failed, {key}: {reason}"
        return MemberState(*of, "incomplete", said, seconds), ""
    return MemberState(*of, "complete", "", seconds), ""


def calibrate(call: StudyCall, members: Sequence[Member]) -> Calibration | str:
    """Fit the parameters that runs of the study ask for, or take those of an earlier call.

    Returns
    -------
    Calibration or str
        Or why the fit was stopped.

    Raises
    ------
    InputError
        If the deck of the calibration is wrong.
    """
    table = call.study.tables.calibration
    if table is None or not any(member.is_calibrated for member in members):
        return Calibration({}, ())
    from runs.calibrate_job import CalibrateRequest, calibrate_job

    folder, ranks = call.folder / CALIBRATION, find_ranks()
    left = call.seconds_left()
    request = CalibrateRequest(
        folder, quick=call.quick, threads=call.request.threads, time_limit_s=left, quiet=call.request.quiet
    )
    file = ranks.on_first(lambda: read_deck(deck_of(call.study, table.deck)))
    status = calibrate_job(file, request)
    if not (folder / CALIBRATED).is_file():
        return INTERRUPTED_BY_USER if status == INTERRUPTED else "stopped in the calibration"
    return ranks.on_first(lambda: read_calibration(folder, max(member.draw for member in members)))


def read_calibration(folder: Path, n_draws: int) -> Calibration:
    """Read the best values, and draws from the posterior, from the folder of a calibration."""
    from runs.calibrate_writing import posterior_draws

    found = read_deck(folder / CALIBRATED).deck.calibrated
    if found is None:
        raise InputError(f"{folder / CALIBRATED}: expected a table [calibrated], found none")
    mark = {f"calibrated.{name}": value for name, value in found.model_dump(exclude_none=True).items()}
    best = {parameter.key: parameter.value for parameter in found.parameter}
    draws = tuple({**best, **draw} for draw in posterior_draws(folder, n_draws)) if n_draws else ()
    targets = tuple((target.sample, target.temperature_C) for target in found.target)
    return Calibration(mark, (best, *draws), targets)


def refuse_changed(call: StudyCall, members: Sequence[Member], states: Mapping[str, MemberState]) -> None:
    """Refuse to replace runs whose decks have changed since, unless --force says so.

    Parameters of a calibration are put in later; a new calibration replaces the runs that take them.

    Raises
    ------
    InputError
    """
    changed = [
        member.name
        for member in members
        if member.name in states and states[member.name].base not in ("", checksum_of(member.file))
    ]
    if changed and not call.request.force:
        raise InputError(
            f"{call.folder}: expected the study that it was begun with, found other decks for {len(changed)} of its "
            f"runs, {changed[0]} the first; choose another --output, or --force to compute these again"
        )


def checksum_of(file: DeckFile) -> str:
    """Checksum of the text of a deck."""
    return hashlib.sha256(file.text.encode()).hexdigest()


def take_folder(call: StudyCall, held: ExitStack) -> dict[str, MemberState]:
    """Lock the folder until the end of the call, keep a copy of the study in it, and read how far it is.

    Raises
    ------
    InputError
        If it holds something that is no study, or another process works in it.
    """
    folder = call.folder
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / COPY).is_file())):
        raise InputError(f"{folder}: expected a new folder or that of a study, found something else; choose --output")
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    held.enter_context(FolderLock(folder).held(say, lambda reason: None))
    with writing(folder), whole_file(folder / COPY) as unfinished:
        unfinished.write_text(call.study.text, encoding="utf-8")
    return read_states(folder)


def study_status(folder: Path) -> bool:
    """Print how far the study of a folder is; False if there is none in it."""
    if not (folder / COPY).is_file():
        return False
    study, states = read_study(folder / COPY), read_states(folder)
    console = output_console()
    counts = Counter(state.status for state in states.values())
    told = ", ".join(f"{n} {status}" for status, n in sorted(counts.items())) or "nothing has ended"
    holder = FolderLock(folder).holder(look_only=True)
    going = f"; running, {holder}" if holder else ""
    console.print(f"{study.tables.study.title}: {told}{going}", markup=False)
    for name, state in states.items():
        if state.reason:
            console.print(f"- {name}: {state.reason}", markup=False)
    return True


def read_states(folder: Path) -> dict[str, MemberState]:
    """Read what became of the runs of a study; nothing where it is not known."""
    try:
        kept = json.loads((folder / STATE).read_text(encoding="utf-8"))
        return {name: MemberState(**state) for name, state in kept.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}  # finished runs are recognised by their own folders


def keep(folder: Path, states: Mapping[str, MemberState]) -> None:
    """Write how far the study is."""
    with writing(folder), whole_file(folder / STATE) as unfinished:
        text = json.dumps({name: asdict(state) for name, state in states.items()}, indent=1)
        unfinished.write_text(text + "\n", encoding="utf-8")


def remaining(left: Sequence[Member], members: Sequence[Member], states: Mapping[str, MemberState]) -> str:
    """Say about how long the rest will take, by the hops of the runs that are done; empty before the first."""
    done = [(hops_of(m), states[m.name].seconds) for m in members if m.name in states and states[m.name].seconds > 0]
    if not done:
        return ""
    hops, seconds = (sum(column) for column in zip(*done, strict=True))
    return f", about {duration(seconds / hops * sum(map(hops_of, left)))} left" if hops else ""


def present(call: StudyCall, members: Sequence[Member], states: Mapping[str, MemberState], fitted: Calibration) -> None:
    """Make the tables of the study from the files of its runs, write and print them."""
    from analysis.study_files import ABOUT
    from runs.study_tables import common_assumptions, study_report, study_results

    reasons = {name: state.reason for name, state in states.items() if state.status != "complete"}
    begun = [member for member in members if member.name in states]
    with reporter(output_console(stderr=True), quiet=call.request.quiet) as report:
        results = study_results(call.study, call.folder, begun, reasons, fitted.targets, report)
    written = results.write(call.folder, call.study.material)
    about = {
        "title": call.study.tables.study.title,
        "quick": call.quick,
        "version": f"mofkmc {program_versions()['mofkmc']}",
    }
    with writing(call.folder), whole_file(call.folder / ABOUT) as unfinished:
        unfinished.write_text(json.dumps(about, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    console = output_console()
    for part in study_report(call.study, results, quick=call.quick):
        console.print(part)
    for part in common_assumptions(call.folder, begun):
        console.print(part)
    if len(begun) < len(members):
        console.print(f"\n{len(members) - len(begun)} of {len(members)} runs have not begun: the tables are a part")
    console.print(f"\nWritten to {call.folder}: {', '.join(written)}, a folder for every run", markup=False)


def say(text: str) -> None:
    """Print a remark."""
    output_console(stderr=True).print(f"mofkmc: {text}", markup=False, highlight=False, soft_wrap=True)
