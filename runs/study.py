"""A study: several decks, each with some of its values varied, as a TOML file with [study] and [[run]] tables."""

from __future__ import annotations

import hashlib
import itertools
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from runs.deck_faults import fault_line
from runs.deck_file import DeckFile, check_files, find_deck, located, parse_toml, read_deck, read_text, to_tuples
from runs.deck_keys import Table, Whole
from runs.deck_keys import key as declare
from runs.deck_override import with_values
from runs.text_tables import TextTable
from structures.errors import InputError

Role = Literal["sample", "scan", "reference", "variation", "defects"]
Parameters = Literal["stated", "calibrated"]
Values = Mapping[str, Any]


class Study(Table):
    """What is common to all runs."""

    title: str = declare("what the study asks")
    material: str = declare("material whose measured values are compared with, or a TOML file of them", default="")
    set: dict[str, Any] = declare(
        "values of decks, by dotted keys, in every run; an empty table, {}, takes the key out", default={}
    )
    quick: dict[str, Any] = declare("values in every run with --quick", default={})
    quick_realisations: Whole = declare(
        "realisations of defects with --quick, at most; 0: all", within=(0, 10_000), default=0
    )
    quick_draws: Whole = declare("draws from the posterior with --quick, at most", within=(0, 1000), default=0)


class Vary(Table):
    """One thing that is varied: a key with several values, or named choices of several values at once."""

    name: str = declare("heading of its column in the tables")
    key: str | None = declare("dotted key of the deck", default=None)
    values: tuple[Any, ...] = declare("values of the key", default=())
    choices: dict[str, dict[str, Any]] = declare("values by dotted keys, by a name", default={})
    quick: tuple[Any, ...] | None = declare(
        "those of the values, or names of choices, that --quick keeps", default=None
    )

    def members(self, quick: bool) -> list[tuple[str, Any, Values]]:
        """Name, label and values of each."""
        found: list[tuple[str, Any, Values]]
        if self.key is None:
            found = [(self.name, name, values) for name, values in self.choices.items()]
        else:
            found = [(self.name, value, {self.key: value}) for value in self.values]
        return found if self.quick is None or not quick else [one for one in found if one[1] in self.quick]


class StudyRun(Table):
    """One deck of a study and what is varied in it."""

    name: str = declare("names its folder")
    deck: str = declare("a deck: a path from the folder of the study, or the name of a shipped one")
    role: Role = declare(
        "what is made of it. sample: measured values beside computed ones; scan: the best loading; reference: what "
        "variations are compared with; variation: what changes against the run 'against'; defects: sigma, pooled over "
        "realisations"
    )
    sample: str = declare("name of the measured sample", default="")
    note: str = declare("what is different in the model of the sample, for the tables", default="")
    cells: str = declare(
        "material whose measured cells are compared with what these runs make as a separator: ni_mof or mof5",
        default="",
    )
    against: str = declare("run that a variation is compared with", default="")
    parameters: Parameters = declare(
        "calibrated: with the values that the calibration of the study gives", default="stated"
    )
    draws: Whole = declare(
        "further runs with parameters drawn from the posterior of the calibration", within=(0, 1000), default=0
    )
    set: dict[str, Any] = declare("values by dotted keys", default={})
    vary: tuple[Vary, ...] = declare("what is varied", default=())
    together: bool = declare("all combinations of what is varied; false: one thing at a time", default=True)
    realisations: Whole = declare("seeds of the defects, over which results are pooled", within=(1, 10_000), default=1)
    quick: bool = declare("whether --quick runs it", default=True)
    quick_set: dict[str, Any] = declare("further values with --quick", default={})


class StudyCalibration(Table):
    """The calibration of which runs take their parameters."""

    deck: str = declare("deck with a table [calibrate]")


class StudyTables(Table):
    """A whole study."""

    study: Study
    calibration: StudyCalibration | None = None
    run: tuple[StudyRun, ...] = Field(description="runs")


@dataclass(frozen=True, slots=True)
class StudyFile:
    """A study that has been read and checked.

    Attributes
    ----------
    path : Path
    text : str
    tables : StudyTables
    """

    path: Path
    text: str
    tables: StudyTables

    @property
    def material(self) -> str:
        """Material whose measured values are compared with: a name, or the path of a file; empty for none."""
        given = self.tables.study.material
        return str(self.path.parent / given) if given.endswith(".toml") else given


@dataclass(frozen=True, eq=False, slots=True)
class Member:
    """One run of a study.

    Attributes
    ----------
    name : str
        Of its folder under that of the study, "map/eps_r-5_ratio-0.1".
    run : StudyRun
        The entry that it belongs to.
    labels : Mapping of str to value
        What is varied in it, by the headings of the columns.
    values : Mapping of str to value
        All values that differ from the deck, by dotted keys.
    file : DeckFile
        The deck with these values; without those of the calibration.
    draw : int
        Number of the draw from the posterior of the calibration, from 1; 0 for its best values.
    realisation : int
        Seed of the defects, from 1.
    """

    name: str
    run: StudyRun
    labels: Values
    values: Values
    file: DeckFile
    draw: int = 0
    realisation: int = 1

    @property
    def is_calibrated(self) -> bool:
        """Whether it takes parameters of the calibration."""
        return self.run.parameters == "calibrated"


def study_named(given: str) -> StudyFile | None:
    """Return the study that is meant where a deck is asked for, as `find_deck` looks for it; None if it is a deck.

    Raises
    ------
    InputError
        If there is no such file, or the study is wrong.
    """
    path, _ = find_deck(given)
    return read_study(path) if is_study(path) else None


def is_study(path: Path) -> bool:
    """Whether a file is a study and not a deck; one that cannot be read is none."""
    with suppress(InputError, OSError):
        return "study" in parse_toml(path, read_text(path))
    return False


def read_study(path: Path) -> StudyFile:
    """Read and check a study; its decks are checked by `members_of`.

    Raises
    ------
    InputError
        With one line for every fault in the file.
    """
    text = read_text(path)
    try:
        tables = StudyTables.model_validate(to_tuples(parse_toml(path, text)))
    except ValidationError as error:
        faults = [fault_line(details, StudyTables) for details in error.errors()]
        raise InputError(located(path.name, text, faults)) from None
    if faults := list(_contradictions(tables)):
        raise InputError(located(path.name, text, faults))
    return StudyFile(path, text, tables)


def members_of(study: StudyFile, *, quick: bool = False) -> tuple[Member, ...]:
    """List all runs of a study, each with its deck checked.

    Raises
    ------
    InputError
        With one line for every fault in a deck that results, behind the name of the run.
    """
    from analysis.experiments import measured
    from analysis.measured_cells import geometry

    found: list[Member] = []
    faults: dict[str, None] = {}
    try:
        samples = {point.sample for point in measured(study.material)} if study.material else set()
        for entry in study.tables.run:
            if entry.sample and entry.sample not in samples:
                known = ", ".join(sorted(samples)) or "none without a material"
                faults[f"[[run]] {entry.name}, sample: expected one of {known}, found {entry.sample!r}"] = None
    except InputError as error:
        faults[f"[study] material: {error}"] = None
    for entry in study.tables.run:
        if entry.cells:
            try:
                geometry(entry.cells)
            except InputError as error:
                faults[f"[[run]] {entry.name}, cells: {error}"] = None
    for entry in study.tables.run:
        if quick and not entry.quick:
            continue
        try:
            deck = read_deck(deck_of(study, entry.deck))
        except InputError as error:
            faults[f"[[run]] {entry.name}: {error}"] = None
            continue
        for labels in _combinations(entry, quick):
            try:
                found += _members(study, entry, deck, labels, quick)
            except InputError as error:
                for line in str(error).splitlines():
                    faults[f"{entry.name}: {line}"] = None
    twice = sorted({member.name for member in found if [one.name for one in found].count(member.name) > 1})
    for name in twice:
        faults[f"{name}: expected runs with folders of their own, found two of this name"] = None
    if faults:
        raise InputError("\n".join(f"{study.path.name}: {fault}" for fault in faults))
    return tuple(found)


def deck_of(study: StudyFile, given: str) -> Path:
    """Return the file of a deck that the study names.

    Raises
    ------
    InputError
        If there is none.
    """
    beside = study.path.parent / given
    return beside if beside.is_file() else find_deck(given)[0]


def _members(
    study: StudyFile, entry: StudyRun, deck: DeckFile, varied: list[tuple[str, Any, Values]], quick: bool
) -> Iterator[Member]:
    common = study.tables.study
    values: dict[str, Any] = {**common.set, **entry.set}
    if quick:
        values |= {**common.quick, **entry.quick_set}
    labels: dict[str, Any] = {}
    for name, label, own in varied:
        labels[name] = label
        values |= own
    several = entry.realisations
    if quick and common.quick_realisations:
        several = min(several, common.quick_realisations)
    for seed in range(1, several + 1):
        seeded = values if entry.realisations == 1 else {**values, "structure.defect_seed": seed}
        draws = min(entry.draws, common.quick_draws) if quick else entry.draws
        for draw in range(draws + 1):
            parts = [_as_name(f"{name}-{label}") for name, label in labels.items()]
            parts += [f"realisation-{seed}"] * (entry.realisations > 1) + [f"draw-{draw}"] * (draw > 0)
            name = "/".join([entry.name, "_".join(parts)] if parts else [entry.name, "run"])
            own = {**seeded, "scan.seed": seed_of(name, int(values.get("scan.seed", deck.deck.scan.seed)))}
            file = with_values(deck, {key: None if value == {} else value for key, value in own.items()})
            if not draw:
                check_files(file)
            yield Member(name, entry, labels, own, file, draw, seed)


def seed_of(name: str, seed: int) -> int:
    """Seed of one run of a study, so that no two have the same random numbers: their results are independent."""
    return int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:4])


def _combinations(entry: StudyRun, quick: bool) -> Iterator[list[tuple[str, Any, Values]]]:
    each = [vary.members(quick) for vary in entry.vary]
    if entry.together:
        yield from (list(chosen) for chosen in itertools.product(*each))
    else:
        yield from ([one] for members in each for one in members)


def _as_name(text: str) -> str:
    """Make a name of a folder of a text."""
    return re.sub(r"[^\w.+\-]+", "-", text).strip("-")


def _contradictions(tables: StudyTables) -> Iterator[str]:
    """Yield what is wrong with a study besides single values."""
    names = [run.name for run in tables.run]
    for number, run in enumerate(tables.run, 1):
        place = f"[[run]] {number}"
        if names.count(run.name) > 1 or not re.fullmatch(r"\w[\w.+\-]*", run.name) or run.name == "calibration":
            yield (
                f"{place}, name: expected a name of its own of letters, digits and . + -, and not calibration, found "
                f"{run.name!r}"
            )
        headings = [vary.name for vary in run.vary]
        if len(set(headings)) < len(headings):
            yield f"{place}, vary: expected different names, found {headings}"
        if run.role == "sample" and not run.sample:
            yield f"{place}, sample: expected the name of a measured sample, found none"
        if run.role == "variation" and run.against not in names:
            yield f"{place}, against: expected the name of another run, found {run.against!r}"
        if run.draws and run.parameters != "calibrated":
            yield f'{place}, draws: expected parameters = "calibrated" beside it, found "{run.parameters}"'
        if run.parameters == "calibrated" and tables.calibration is None:
            yield f'{place}, parameters: expected a table [calibration] for "calibrated", found none'
        for n, vary in enumerate(run.vary, 1):
            if (vary.key is None) == (not vary.choices) or (vary.key is None) == bool(vary.values):
                yield f"{place}, vary, {n}: expected either key and values, or choices, found {_given(vary)}"
            elif len({str(float(one)) if isinstance(one, int | float) else str(one) for one in vary.values}) < len(
                vary.values
            ):
                yield f"{place}, vary, {n}, values: expected different ones, found {list(vary.values)}"
            elif strange := [one for one in vary.quick or () if one not in (*vary.values, *vary.choices)]:
                yield f"{place}, vary, {n}, quick: expected some of the values or choices, found {strange}"


def _given(vary: Vary) -> str:
    given = [name for name in ("key", "values", "choices") if getattr(vary, name)]
    return " and ".join(given) or "neither"


def count_of_tasks(member: Member) -> int:
    """Tasks that a member asks for at least; further rounds are not counted."""
    scan = member.file.deck.scan
    return len(scan.requested) * len(scan.temperatures) * scan.replicas * (1 + len(scan.fields_V_per_cm))


def study_part(study: StudyFile) -> TextTable:
    """List what a study asks for: runs, tasks and hops of every entry, all of them and with --quick."""
    counted: dict[str, list[float]] = {entry.name: [0.0] * 6 for entry in study.tables.run}
    for at, quick in ((0, False), (3, True)):
        for member in members_of(study, quick=quick):
            row = counted[member.run.name]
            for k, amount in enumerate((1, count_of_tasks(member), hops_of(member))):
                row[at + k] += amount
    made = TextTable(
        f"{study.tables.study.title}: what it asks for",
        ("<run", "<role", "runs", "tasks", "10⁶ hops", "runs, quick", "tasks, quick", "10⁶ hops, quick"),
    )
    total = [sum(column) for column in zip(*counted.values(), strict=True)]
    roles = {entry.name: entry.role for entry in study.tables.run}
    for name, row in {**counted, "all": total}.items():
        if name == "all":
            made.add_section()
        numbers = (f"{row[k] / 1e6:,.1f}" if k % 3 == 2 else f"{row[k]:,.0f}" for k in range(6))
        made.add_row(name, str(roles.get(name, "")), *numbers)
    made.caption = "Hops at least, besides the moves before the clock starts" + (
        "; the calibration comes on top." if study.tables.calibration else "."
    )
    return made


def hops_of(member: Member) -> float:
    """Hops that a member asks for at least."""
    return math.prod((count_of_tasks(member), member.file.deck.kmc.events))
