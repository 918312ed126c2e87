"""The mark of numbers that have been fitted to measurements, wherever results say what they rest on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from runs.deck import Deck
from runs.deck_calibrate import Calibrated, CalibratedParameter
from runs.deck_file import DeckError, parse_deck
from runs.deck_override import names_of
from structures.units import CELSIUS_ZERO

if TYPE_CHECKING:
    import pandas as pd

SAME = 1e-3  # relative difference up to which a value is the fitted one
NEAR_C = 0.1


def calibrated_lines(deck: Deck) -> Iterator[str]:
    """Say of every fitted number what the fit has found, how sure that is, and what it was fitted to."""
    if deck.calibrated is None:
        return
    for parameter in deck.calibrated.parameter:
        yield f"{parameter.key} = {parameter.value:g}{_sure(parameter)}{_changed(deck, parameter)}"
    yield f"fitted to {targets_text(deck.calibrated)}; all else is predicted"
    if deck.calibrated.fit:
        yield deck.calibrated.fit


def _sure(parameter: CalibratedParameter) -> str:
    if parameter.identified == "chosen":
        return f", chosen from {', '.join(f'{value:g}' for value in parameter.prior)}"
    parts = parameter.parts or ((parameter.interval,) if parameter.interval else ())
    given = f" ({' or '.join(f'{low:g} to {high:g}' for low, high in parts)})" if parts else ""
    within = f"the range {parameter.prior[0]:g} to {parameter.prior[-1]:g} of the fit"
    if parameter.identified == "yes":
        return f"{given}, in {within}"
    if parameter.identified == "only separate ranges":
        return f"{given}, separate ranges that the measurements leave of {within}"
    known = "not identified by the measurements" if parameter.identified == "no" else parameter.identified
    return f"{given}, {known}: an end of the interval is that of {within}"


def _changed(deck: Deck, parameter: CalibratedParameter) -> str:
    """Say that the deck has another value now."""
    now = number_at(deck, parameter.key)
    if now is None or abs(now - parameter.value) <= SAME * abs(parameter.value):
        return ""
    return f"; here changed to {now:g}, which is no longer the fitted value"


def number_at(deck: Deck, key: str) -> float | None:
    """Give the number of a key of the deck; None where there is none."""
    found: object = deck
    for name in names_of(key):
        found = found.get(name) if isinstance(found, dict) else getattr(found, name, None)
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None


def targets_text(calibrated: Calibrated) -> str:
    """Say what was fitted to."""
    return "sigma of " + " and ".join(f"{t.sample} at {t.temperature_C:g} °C" for t in calibrated.target)


def calibration_note(deck: Deck) -> str:
    """Say under a picture what is fitted; "not calibrated" where nothing is."""
    if deck.calibrated is None:
        return "not calibrated"
    fitted = ", ".join(f"{p.key} = {p.value:g}" for p in deck.calibrated.parameter)
    return f"calibrated ({fitted}) to {targets_text(deck.calibrated)}"


def calibration_statement(calibrated: Calibrated | None) -> str:
    """Say in a few words whether anything is fitted to measurements."""
    if calibrated is None:
        return "nothing is calibrated to a measurement"
    fitted = ", ".join(parameter.key for parameter in calibrated.parameter)
    return f"{fitted} calibrated to {targets_text(calibrated)}, all else predicted"


def fitted_measurements(calibrated: Calibrated | None) -> tuple[tuple[str, float], ...]:
    """Sample and temperature, °C, of every measurement that something is fitted to."""
    return tuple((target.sample, target.temperature_C) for target in calibrated.target) if calibrated else ()


def standing_of(calibrated: Calibrated | None, sample: str, celsius: float) -> str:
    """Whether a computed conductivity is "calibrated" or "predicted"; predicted in every case without a fit."""
    fitted = fitted_measurements(calibrated)
    return "calibrated" if any(name == sample and abs(T - celsius) < NEAR_C for name, T in fitted) else "predicted"


def with_standing(comparison: pd.DataFrame, calibrated: Calibrated | None) -> pd.DataFrame:
    """Add to measured values beside computed ones whether they were fitted to, see `standing_of`."""
    standing = [
        standing_of(calibrated, sample, T - CELSIUS_ZERO)
        for sample, T in zip(comparison.get("sample", ()), comparison.get("T (K)", ()), strict=True)
    ]
    return comparison.assign(standing=standing)


def calibrated_of(text: str) -> Calibrated | None:
    """Read what is fitted from the text of a deck; None where nothing is, or it cannot be read."""
    try:
        return parse_deck(Path("deck.toml"), text).deck.calibrated
    except DeckError:
        return None
