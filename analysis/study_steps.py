"""How the conductivity changes from one measured sample to the next, with the same parameters on both sides."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from analysis.experiments import NEAR_K, ROOM, measured
from analysis.statistics import LEVEL
from analysis.study import FEWEST_DRAWS, Asked, StudiedRun, computed, nearest_loading, over_realisations
from analysis.study_samples import exchange_of


def step_table(material: str, samples: Sequence[tuple[str, str, Sequence[StudiedRun]]]) -> pd.DataFrame:
    """Put the ratio of the conductivities of neighbouring samples beside the measured one, draw by draw.

    What all samples have in common, such as the scale of all rates, drops out of a ratio at the same parameters: it
    tells more about the shape of a curve than the values at both ends with their intervals.

    Parameters
    ----------
    material : str
    samples : sequence of (str, str, runs)
        Name of the sample, what is different in the model of it, and the runs that simulate it. Only those without a
        difference and with a loading of their own are taken, in ascending order.

    Returns
    -------
    DataFrame
        For every step: both samples and their loadings as simulated, the measured ratio, the geometric mean over the
        sets of parameters with its Student interval, the interval in which a further set would lie, the lowest and
        highest ratio, and the number of sets. Statistics and parameters are in the scatter together.
    """
    sigma = {m.sample: m.sigma for m in measured(material) if abs(m.temperature - ROOM) <= NEAR_K}
    known = {}
    for sample, note, runs in samples:
        x = exchange_of(material, sample)
        if not note and x is not None and x not in known and sample in sigma:
            known[x] = (sample, runs)
    rows = []
    for (low, (before, first)), (high, (after, second)) in itertools.pairwise(sorted(known.items())):
        ends = _by_draw(first, low), _by_draw(second, high)
        both = [draw for draw in ends[0] if ends[0][draw] > 0 and ends[1].get(draw, 0.0) > 0]
        logs = np.log([ends[1][draw] / ends[0][draw] for draw in both])
        if len(logs) < FEWEST_DRAWS:
            continue
        mean, scatter, n = float(logs.mean()), float(logs.std(ddof=1)), len(logs)
        t = float(stats.t.ppf(0.5 + LEVEL / 2, n - 1))
        of_mean, of_next = t * scatter / math.sqrt(n), t * scatter * math.sqrt(1 + 1 / n)
        x_from, x_to = (nearest_loading(runs[0].run, x) for x, runs in ((low, first), (high, second)))
        rows.append({
            "from": before,
            "to": after,
            "x from": x_from,
            "x to": x_to,
            "measured": sigma[after] / sigma[before],
            "computed": math.exp(mean),
            "computed lo": math.exp(mean - of_mean),
            "computed hi": math.exp(mean + of_mean),
            "next lo": math.exp(mean - of_next),
            "next hi": math.exp(mean + of_next),
            "lowest": math.exp(float(logs.min())),
            "highest": math.exp(float(logs.max())),
            "sets": n,
        })  # fmt: skip
    return pd.DataFrame(rows)


def _by_draw(runs: Sequence[StudiedRun], loading: float | None) -> dict[int, float]:
    """Conductivity at room temperature by the number of the draw, 0 for the best parameters, S/cm."""
    asked, found = Asked("sigma"), {}
    for draw in sorted({one.draw for one in runs}):
        of_draw = [computed(one.run, asked, loading) for one in runs if one.draw == draw]
        found[draw] = over_realisations(of_draw, asked).value
    return found
