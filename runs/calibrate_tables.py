"""What `mofkmc calibrate` prints: parameters with intervals, what measurements leave open, and how well they fit."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from rich.console import RenderableType

from analysis.calibration import ADEQUATE, Fit, Profile, probabilities
from analysis.experiments import paper
from analysis.statistics import normal_quantile
from runs.calibrate_plan import CalibrationPlan
from runs.calibrate_record import ParameterSet, results
from runs.deck_calibrate import Known
from runs.text_tables import TextTable, listing
from structures.units import CELSIUS_ZERO

STRONG = 0.6  # correlation that is said
DECIDED = 0.95  # probability at which a choice counts as made by the measurements


def calibration_report(
    plan: CalibrationPlan, sets: Sequence[ParameterSet], fits: Sequence[Fit]
) -> Iterator[RenderableType]:
    """Yield the tables, and under them what they rest on."""
    best = best_choice(fits)
    mark = ", quick: too coarse to be reported" if plan.quick else ""
    yield _parameter_table(plan, fits, best, mark)
    if len(plan.choices) > 1:
        yield _choice_table(plan, fits)
    yield _target_table(plan, fits[best])
    yield listing("What the fit says", tuple(statements(plan, sets, fits)))
    yield listing("Assumptions of the fit", tuple(assumptions_of_fit(plan, sets)))


def best_choice(fits: Sequence[Fit]) -> int:
    """Give the number of the choice of largest evidence."""
    return int(np.argmax([fit.sample.log_evidence for fit in fits]))


def parameter_frame(plan: CalibrationPlan, fits: Sequence[Fit]) -> pd.DataFrame:
    """One row per parameter of the best choice: value, intervals, prior, and whether it is identified."""
    best = best_choice(fits)
    fit, rows = fits[best], []
    for k, profile in enumerate(fit.profiles):
        given = plan.ranges[k]
        low, median, high = fit.quantiles(k, (0.025, 0.5, 0.975))
        rows.append({
            "key": given.key, "value": profile.best, "lo": profile.lo, "hi": profile.hi,
            "separate ranges": "; ".join(f"{low:.4g} to {high:.4g}" for low, high in profile.parts),
            "posterior 2.5 %": low, "posterior median": median, "posterior 97.5 %": high,
            "prior low": given.low, "prior high": given.high, "scale": "log" if given.log else "linear",
            "identified": profile.identified,
        })  # fmt: skip
    for key, value in plan.choices[best].items():
        of_key = [choice[key] for choice in plan.choices]
        rows.append({
            "key": key, "value": value, "prior low": min(of_key), "prior high": max(of_key), "scale": "choice",
            "identified": "chosen",
        })  # fmt: skip
    return pd.DataFrame(rows)


def choice_frame(plan: CalibrationPlan, fits: Sequence[Fit]) -> pd.DataFrame:
    """One row per choice: chi2, evidence and posterior probability."""
    return pd.DataFrame([
        {**choice, **fit.values, "chi2": fit.chi2, "ln evidence": fit.sample.log_evidence, "probability": float(p)}
        for choice, fit, p in zip(plan.choices, fits, probabilities(fits), strict=True)
    ])  # fmt: skip


def target_frame(plan: CalibrationPlan, fit: Fit) -> pd.DataFrame:
    """One row per target: measured and computed at the most likely parameters, with its interval."""
    mean, variance = fit.likelihood.computed(fit.best[None, :])
    rows = []
    for j, target in enumerate(plan.targets):
        log, error = float(mean[0, j]), math.sqrt(float(variance[0, j]))
        half = normal_quantile() * error
        rows.append({
            "sample": target.sample, "x": target.exchange, "T (K)": target.temperature,
            "measured (S/cm)": target.sigma, "assumed error of ln": target.error,
            "computed (S/cm)": math.exp(log), "computed lo (S/cm)": math.exp(log - half),
            "computed hi (S/cm)": math.exp(log + half), "computed/measured": math.exp(log) / target.sigma,
            "z": (log - math.log(target.sigma)) / math.hypot(error, target.error),
        })  # fmt: skip
    return pd.DataFrame(rows)


def _parameter_table(plan: CalibrationPlan, fits: Sequence[Fit], best: int, mark: str) -> TextTable:
    made = TextTable(
        f"Parameters fitted to {plan.material}{mark}",
        ("<parameter", "most likely", "95 % interval", "+posterior median", "range allowed", "<identified"),
    )
    fit = fits[best]
    for k, profile in enumerate(fit.profiles):
        given = plan.ranges[k]
        made.add_row(
            given.key, f"{profile.best:.3g}", _ranges(profile),
            f"{fit.quantiles(k, (0.5,))[0]:.3g}", f"{given.low:g} - {given.high:g}{', log' if given.log else ''}",
            profile.identified,
        )  # fmt: skip
    for key, value in plan.choices[best].items():
        several = ", ".join(f"{v:g}" for v in dict.fromkeys(choice[key] for choice in plan.choices))
        made.add_row(key, f"{value:g}", "", "", several, "chosen by evidence")
    made.caption = "Intervals: profile likelihood. An interval that ends where its range ends is a bound, no result."
    return made


def _ranges(profile: Profile) -> str:
    return ", ".join(f"{low:.3g} - {high:.3g}" for low, high in profile.parts)


def _choice_table(plan: CalibrationPlan, fits: Sequence[Fit]) -> TextTable:
    keys = list(plan.choices[0])
    made = TextTable("Choices compared", (*keys, "chi2", "ln evidence", "probability"), keys=len(keys))
    for choice, fit, probability in zip(plan.choices, fits, probabilities(fits), strict=True):
        cells = (f"{value:g}" for value in choice.values())
        made.add_row(*cells, f"{fit.chi2:.2f}", f"{fit.sample.log_evidence:.2f}", f"{probability:.2f}")
    made.caption = "Equally likely before the fit. Evidence: likelihood averaged over the ranges of all others."
    return made


def _target_table(plan: CalibrationPlan, fit: Fit) -> TextTable:
    made = TextTable(
        "Targets: measured beside computed at the most likely parameters",
        ("<sample", "x", "T, °C", "measured, S/cm", "computed, S/cm", "+interval", "ratio", "+z"),
    )
    for row in target_frame(plan, fit).to_dict("records"):
        made.add_row(
            row["sample"], f"{row['x']:.3f}", f"{row['T (K)'] - CELSIUS_ZERO:.0f}", f"{row['measured (S/cm)']:.2e}",
            f"{row['computed (S/cm)']:.2e}", f"{row['computed lo (S/cm)']:.2e} - {row['computed hi (S/cm)']:.2e}",
            f"{row['computed/measured']:.2g}", f"{row['z']:.1f}",
        )  # fmt: skip
    made.caption = (
        f"{paper(plan.material)}; these are fitted and no predictions. z: difference of the logarithms in their errors"
    )
    return made


def statements(plan: CalibrationPlan, sets: Sequence[ParameterSet], fits: Sequence[Fit]) -> Iterator[str]:
    """Say how well the fit is, what it leaves open, and how good the surfaces are that it rests on."""
    best = best_choice(fits)
    fit = fits[best]
    yield fit_statement(plan, fit)
    for k, profile in enumerate(fit.profiles):
        if said := identification(profile, plan.ranges[k].low, plan.ranges[k].high):
            yield said
        if len(profile.parts) > 1:
            yield _separate(profile, fit.shares(k))
    yield from _correlations(plan, fit)
    if len(plan.choices) > 1:
        yield _choice_statement(plan, fits)
    yield from _surface_statements(plan, sets, fits)


def fit_statement(plan: CalibrationPlan, fit: Fit) -> str:
    """Tell chi2, and what it tests."""
    said = (
        f"chi2 = {fit.chi2:.2f} with {_count(len(plan.targets), 'target')} and {_count(len(plan.ranges), 'parameter')}"
    )
    quick = "; quick calibration, too coarse to be reported" if plan.quick else ""
    if not fit.reproduces:
        worst = max(target_frame(plan, fit).to_dict("records"), key=lambda row: abs(row["z"]))
        return (
            f"no set of parameters in the ranges reproduces the targets ({said}, p = {fit_probability(fit):.1g}): at "
            f"the nearest one the computed conductivity of {worst['sample']} is {worst['computed/measured']:.2g} times "
            f"the measured one{quick}"
        )
    if fit.dof > 0:
        return (
            f"the targets are reproduced: {said}, p = {fit.p_value:.2f} ({ADEQUATE:g} at least), by the surface{quick}"
        )
    return (
        f"the targets are reproduced: {said}, by the surface and not by a run at these parameters; as many numbers as "
        f"parameters, so that this tests nothing but the ranges{quick}"
    )


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def fit_probability(fit: Fit) -> float:
    """Probability of a larger chi2 by chance, with one degree of freedom where there are none left."""
    from scipy import stats

    return float(stats.chi2.sf(fit.chi2, max(fit.dof, 1)))


def identification(profile: Profile, low: float, high: float) -> str:
    """Say that the targets do not fix a parameter; empty if they do."""
    known: Known = profile.identified  # type: ignore[assignment]
    if known == "yes":
        return ""
    if known == "no":
        return (
            f"{profile.key} is not identified by these measurements: every value from {low:g} to {high:g} is within "
            f"the 95 % interval, and {profile.best:.3g} is no better than others"
        )
    if known == "only separate ranges":
        return f"{profile.key} is not identified by these measurements: they leave {len(profile.parts)} separate ranges"
    end = f"below {profile.hi:.3g}" if known == "only bounded from above" else f"above {profile.lo:.3g}"
    return (
        f"{profile.key} is not identified by these measurements, {known}: {end}; the other end of its interval is that "
        "of the range"
    )


def _separate(profile: Profile, shares: Sequence[float]) -> str:
    """Say that there are several explanations of the measurements, and how likely each of them is."""
    parts = zip(profile.parts, shares, strict=True)
    named = ", ".join(f"{low:.3g} to {high:.3g} (probability {share:.2f})" for (low, high), share in parts)
    return f"{profile.key} has {len(profile.parts)} separate ranges that reproduce the targets: {named}"


def _correlations(plan: CalibrationPlan, fit: Fit) -> Iterator[str]:
    found = fit.correlation() if len(plan.ranges) > 1 else np.zeros((0, 0))
    for i in range(len(found)):
        for j in range(i):
            if abs(found[i, j]) >= STRONG:
                way = "against" if found[i, j] < 0 else "with"
                yield (
                    f"{plan.ranges[j].key} and {plan.ranges[i].key} vary {way} each other "
                    f"(correlation {found[i, j]:+.2f} in the posterior): quote neither without the other"
                )


def _choice_statement(plan: CalibrationPlan, fits: Sequence[Fit]) -> str:
    best, chances = best_choice(fits), probabilities(fits)
    named = ", ".join(f"{key} = {value:g}" for key, value in plan.choices[best].items())
    if chances[best] >= DECIDED:
        return f"{named} has the probability {chances[best]:.3f} among the choices"
    return (
        f"{named} has the largest evidence, but only the probability {chances[best]:.2f}: the measurements do not "
        "decide between the choices"
    )


def _surface_statements(plan: CalibrationPlan, sets: Sequence[ParameterSet], fits: Sequence[Fit]) -> Iterator[str]:
    failed = [entry for entry in sets if entry.found is not None and entry.found.failed]
    if failed:
        assert failed[0].found is not None
        reason = failed[0].found.failed
        yield f"{len(failed)} of {len(sets)} sets of parameters could not be simulated, such as: {reason}"
    logs, errors = results(plan, sets)
    for j, target in enumerate(plan.targets):
        lost = int((~(np.isfinite(logs[:, j]) & np.isfinite(errors[:, j]))).sum()) - len(failed)
        if lost > 0:
            yield f"{target.sample}: {lost} of {len(sets)} sets of parameters gave no conductivity with an interval"
        parts = [fit.likelihood.surfaces[j].left_out() for fit in fits]
        difference, error = (np.concatenate(part) for part in zip(*parts, strict=True))
        known = np.isfinite(difference)
        if known.any():
            off, z = float(np.abs(difference[known]).mean()), difference[known] / error[known]
            yield (
                f"{target.sample}: the surface predicts simulations that it has not seen within {100 * off:.0f} % on "
                f"average, {np.sqrt((z**2).mean()):.1f} of the errors it states (1 is right)"
            )


def assumptions_of_fit(plan: CalibrationPlan, sets: Sequence[ParameterSet]) -> Iterator[str]:
    """Say what the fit rests on."""
    for given in plan.ranges:
        scale = "in its logarithm" if given.log else "in its value"
        yield f"{given.key}: before the fit every value from {given.low:g} to {given.high:g} equally likely, {scale}"
    errors = sorted({target.error for target in plan.targets})
    yield (
        f"errors of measurement of {', '.join(f'{100 * error:.0f} %' for error in errors)}, independent of each other, "
        "normal in the logarithm; what all samples have in common, such as contacts and grain boundaries, is not in it"
    )
    yield "no term for what the model lacks: if it is wrong, the parameters make up for it as far as they can"
    for j, target in enumerate(plan.targets):
        parts = next((entry.found.loadings[j] for entry in sets if entry.found and entry.found.loadings), ())
        if len(parts) > 1:
            ends = " and ".join(f"{x:.4f}" for x, _ in parts)
            yield f"{target.sample}: ln sigma at x = {target.exchange:.4f} interpolated between whole ions, x = {ends}"
        elif parts:
            yield f"{target.sample}: simulated at x = {parts[0][0]:.4f}"
    yield from _exact(plan)
    fixed = "all other numbers of the deck are as it states them, and their uncertainty is not in the intervals"
    yield fixed


def _exact(plan: CalibrationPlan) -> Iterator[str]:
    """Say which dependences were not simulated because they are known."""
    for target, relation in zip(plan.targets, plan.relations, strict=True):
        if relation.scale is not None:
            key = plan.ranges[relation.scale].key
            others = ", ".join(plan.ranges[k].key for k in relation.ratios)
            at_ratio = f" at a fixed ratio to {others}" if others else ""
            yield f"{target.sample}: sigma is proportional to {key}{at_ratio}, exactly, which is not simulated again"
        absent = set(range(len(plan.ranges))) - {*relation.own, *relation.ratios, relation.scale}
        for k in sorted(absent):
            yield f"{target.sample}: {plan.ranges[k].key} has no influence there, its ion is not there or does not hop"
