"""A page in headless Chromium: what it logs, and what it looks like."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_CONSOLE = re.compile(r'CONSOLE:\d+\] "(.*)", source:', re.DOTALL)


@dataclass(frozen=True, eq=False, slots=True)
class Shown:
    """Lines on the console of the page, and its picture, (height, width, 3) float64 from 0 to 1."""

    console: list[str]
    picture: np.ndarray


def show(page: Path, folder: Path, *, size: tuple[int, int] = (1000, 800)) -> Shown:
    """Open a page, give its scripts a few seconds, and take a picture; skips where there is no browser."""
    browser = next((found for name in NAMES if (found := shutil.which(name))), None)
    if browser is None:
        pytest.skip("no Chromium here (apt-get install chromium)")
    picture = folder / "screen.png"
    command = [
        browser, "--headless", "--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader",
        "--enable-unsafe-swiftshader", "--disable-gpu-watchdog", "--hide-scrollbars", "--no-first-run",
        f"--user-data-dir={folder / 'profile'}", f"--window-size={size[0]},{size[1]}", "--enable-logging=stderr",
        "--v=0", "--virtual-time-budget=4000", f"--screenshot={picture}", page.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=120, check=False)
    assert picture.exists(), f"Chromium took no picture:\n{done.stderr[-3000:]}"
    lines = [match[1] for line in done.stderr.splitlines() if (match := _CONSOLE.search(line))]
    return Shown(lines, np.asarray(imread(picture)[..., :3], dtype=np.float64))
