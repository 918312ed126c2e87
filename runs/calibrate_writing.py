"""What a calibration leaves in its folder: tables, draws of parameters, pictures, and the deck with the best values."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.calibration import Fit, probabilities
from analysis.csv_tables import write_csv
from runs.calibrate_plan import CalibrationPlan
from runs.calibrate_record import ParameterSet, results
from runs.calibrate_tables import (
    assumptions_of_fit,
    best_choice,
    choice_frame,
    fit_statement,
    parameter_frame,
    statements,
    target_frame,
)
from runs.deck_file import DeckFile, parse_deck
from runs.deck_override import with_values
from runs.faults import writing
from runs.seeds import stream
from structures.errors import InputError
from structures.files import whole_file
from structures.units import CELSIUS_ZERO

N_DRAWS = 2000
DIGITS = 4  # of fitted values
DECK = "calibrated.toml"
POSTERIOR = "posterior.csv"


def write_calibration(
    folder: Path, plan: CalibrationPlan, sets: Sequence[ParameterSet], fits: Sequence[Fit]
) -> list[str]:
    """Write everything; return the names of the files."""
    tables = {
        "points.csv": _points(plan, sets),
        POSTERIOR: _posterior(plan, fits),
        "profile.csv": _profiles(plan, fits),
        "parameters.csv": parameter_frame(plan, fits),
        "targets.csv": target_frame(plan, fits[best_choice(fits)]),
        "choices.csv": choice_frame(plan, fits),
    }
    with writing(folder):
        for name, table in tables.items():
            write_csv(folder / name, table)
        lines = (*statements(plan, sets, fits), *assumptions_of_fit(plan, sets))
        _write(folder / "remarks.txt", "".join(f"{line}\n" for line in lines))
        _write(folder / DECK, calibrated_deck(plan, fits, folder).text)
        pictures = _pictures(folder, plan, sets, fits) if plan.file.deck.output.plots else []
    return [*tables, "remarks.txt", DECK, *pictures, f"points/ ({len(sets)} runs)"]


def posterior_draws(folder: Path | str, n: int, seed: int = 1) -> list[dict[str, float]]:
    """Draw sets of parameters from the posterior of a calibration, choices among them.

    Parameters
    ----------
    folder : path
        Of the calibration.
    n : int
    seed : int

    Returns
    -------
    list of dict
        Values by key of the deck, as `runs.deck_override.with_values` takes them.

    Raises
    ------
    InputError
        If the folder holds no posterior.
    """
    path = Path(folder) / POSTERIOR
    try:
        table = pd.read_csv(path)
        weight = table.pop("weight").to_numpy(dtype=np.float64)
    except (OSError, KeyError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no table with weights"
        raise InputError(f"{path}: expected the posterior of `mofkmc calibrate`, found: {reason}") from None
    rng = stream(seed, "draws from the posterior")
    rows = rng.choice(len(weight), size=n, p=weight / weight.sum())
    return [{str(key): float(value) for key, value in table.iloc[row].items()} for row in rows]


def calibrated_deck(plan: CalibrationPlan, fits: Sequence[Fit], folder: Path) -> DeckFile:
    """Give the deck with the most likely values, its files as seen from a folder, and a table that marks the values."""
    import tomlkit

    best = best_choice(fits)
    values: dict[str, Any] = {**plan.choices[best], **{k: _rounded(v) for k, v in fits[best].values.items()}}
    whole = with_values(plan.file, values)
    document = tomlkit.parse(_moved(whole, folder).text)
    for name in ("calibrate", "calibrated"):
        document.pop(name, None)
    document["calibrated"] = {
        "material": plan.material,
        "fit": fit_statement(plan, fits[best]),
        "parameter": list(_marks(plan, fits)),
        "target": [{"sample": t.sample, "temperature_C": round(t.temperature - CELSIUS_ZERO, 3)} for t in plan.targets],
    }
    return parse_deck(folder / DECK, tomlkit.dumps(document))


def _marks(plan: CalibrationPlan, fits: Sequence[Fit]) -> Iterator[dict[str, Any]]:
    for row in parameter_frame(plan, fits).to_dict("records"):
        made: dict[str, Any] = {"key": row["key"], "value": _rounded(row["value"])}
        if row["identified"] == "chosen":
            prior = list(dict.fromkeys(choice[row["key"]] for choice in plan.choices))
        else:
            made["interval"] = [_rounded(row["lo"]), _rounded(row["hi"])]
            parts = next(p.parts for p in fits[best_choice(fits)].profiles if p.key == row["key"])
            if len(parts) > 1:
                made["parts"] = [[_rounded(low), _rounded(high)] for low, high in parts]
            prior = [row["prior low"], row["prior high"]]
        yield {**made, "prior": prior, "identified": row["identified"]}


def _moved(file: DeckFile, folder: Path) -> DeckFile:
    """Give the deck with paths that lead to the same files from another folder."""
    structure, moved = file.deck.structure, {}
    named: dict[str, str | None] = {
        "structure.cif": structure.cif,
        "structure.sites": structure.sites,
        **{f'landscape.cube."{ion}"': path for ion, path in file.deck.landscape.cube.items()},
    }
    for key, given in named.items():
        if given is not None and file.beside(given).is_file():
            moved[key] = os.path.relpath(file.beside(given).absolute(), folder.absolute())
    return with_values(file, moved)


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def _points(plan: CalibrationPlan, sets: Sequence[ParameterSet]) -> pd.DataFrame:
    logs, errors = results(plan, sets)
    rows = []
    for n, entry in enumerate(sets):
        row: dict[str, Any] = {"point": f"p{n + 1:03d}", **plan.choices[entry.choice], **entry.values}
        for j, target in enumerate(plan.targets):
            name = _name(target.sample, target.temperature)
            row |= {f"ln sigma {name}": logs[n, j], f"error {name}": errors[n, j]}
        rows.append({**row, "failed": entry.found.failed if entry.found else ""})
    return pd.DataFrame(rows)


def _name(sample: str, temperature: float) -> str:
    return f"{sample} {temperature - CELSIUS_ZERO:g} C"


def _posterior(plan: CalibrationPlan, fits: Sequence[Fit]) -> pd.DataFrame:
    """Draws of all choices, each with a share of the weight that is the choice's probability."""
    parts = []
    for choice, fit, chance in zip(plan.choices, fits, probabilities(fits), strict=True):
        thin = fit.sample.thinned(N_DRAWS, stream(plan.file.deck.scan.seed, "comb of the posterior"))
        columns = {r.key: r.values(thin.draws[:, k]) for k, r in enumerate(plan.ranges)}
        constant = {key: np.full(len(thin.weight), value) for key, value in choice.items()}
        parts.append(pd.DataFrame({"weight": chance * thin.weight, **constant, **columns}))
    return pd.concat(parts, ignore_index=True)


def _profiles(plan: CalibrationPlan, fits: Sequence[Fit]) -> pd.DataFrame:
    parts = []
    for choice, fit in zip(plan.choices, fits, strict=True):
        for profile in fit.profiles:
            constant: Mapping[str, Any] = dict(choice)
            columns = {"parameter": profile.key, "value": profile.value, "deviance": profile.deviance}
            parts.append(pd.DataFrame({**constant, **columns}))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _pictures(folder: Path, plan: CalibrationPlan, sets: Sequence[ParameterSet], fits: Sequence[Fit]) -> list[str]:
    from analysis.calibration_plots import pairs, profiles, targets
    from analysis.plot_style import save_figure
    from runs.calibrate_record import coordinates

    best = best_choice(fits)
    fit, mine = fits[best], [entry for entry in sets if entry.choice == best]
    note = _footnote(plan, fit)
    drawn = {"targets": targets(fit)}
    if plan.ranges:
        drawn["profiles"] = profiles(fit)
    if len(plan.ranges) > 1:
        drawn["pairs"] = pairs(fit, coordinates(plan, mine))
    names = [f"{name}.{form}" for name in drawn for form in ("png", "svg")]
    for name in names:
        save_figure(drawn[name.partition(".")[0]], folder / name, note)
    return names


def _footnote(plan: CalibrationPlan, fit: Fit) -> list[str]:
    """Say under a picture what was fitted to what, and how well, in short lines."""
    to = [f"{t.sample} at {t.temperature - CELSIUS_ZERO:.0f} °C" for t in plan.targets]
    well = "reproduced" if fit.reproduces else "NOT reproduced by any point of the ranges"
    lines = [
        f"fit to sigma of {', '.join(to)}",
        f"targets {well}, chi2 = {fit.chi2:.2f}; prior uniform over the ranges",
    ]
    return [*lines, "quick calibration: too coarse to be reported"] if plan.quick else lines


def _write(path: Path, text: str) -> None:
    with whole_file(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
