"""Where the prefactors of hop rates can come from: names, and what they mean in words."""

from __future__ import annotations

from typing import Literal

RateModel = Literal["flux_tst", "harmonic_tst", "attempt_frequency"]

RATE_MODELS: dict[str, str] = {
    "flux_tst": "flux transition-state theory over the dividing surfaces of the landscape",
    "harmonic_tst": "harmonic transition-state theory from the curvatures at minima and saddles",
    "attempt_frequency": "one attempt frequency nu for every hop",
}
