"""Options of the command line that are more than a number: what they look like and what they become."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


def charge_option(ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, float]:
    """Read CLASS=CHARGE pairs.

    Raises
    ------
    click.BadParameter
    """
    charges = {}
    for text in values:
        name, _, number = text.rpartition("=")
        try:
            charges[name] = float(number)
        except ValueError:
            name = ""
        if not name:
            raise click.BadParameter(f"expected CLASS=CHARGE in e such as Ni=1.2, found {text!r}", ctx, parameter)
    return charges


def positive_option(ctx: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    """Accept a finite number above zero, or none.

    Raises
    ------
    click.BadParameter
    """
    if value is not None and not (math.isfinite(value) and value > 0):
        raise click.BadParameter(f"expected a number above 0, found {value:g}", ctx, parameter)
    return value


def file_option(ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, Path]:
    """Read ION=FILE pairs.

    Raises
    ------
    click.BadParameter
    """
    files = {}
    for text in values:
        name, _, file = text.partition("=")
        if not (name and file):
            raise click.BadParameter(f"expected ION=FILE such as Li+=my_file, found {text!r}", ctx, parameter)
        files[name] = Path(file)
    return files


def repeats_option(ctx: click.Context, parameter: click.Parameter, text: str | None) -> tuple[int, int, int] | None:
    """Read three repeats such as 2x2x1.

    Raises
    ------
    click.BadParameter
    """
    if text is None:
        return None
    numbers = text.lower().split("x")
    if len(numbers) != 3 or not all(n.isdecimal() and int(n) >= 1 for n in numbers):
        raise click.BadParameter(f"expected three repeats such as 2x2x1, found {text!r}", ctx, parameter)
    return int(numbers[0]), int(numbers[1]), int(numbers[2])


def time_option(ctx: click.Context, parameter: click.Parameter, text: str | None) -> float | None:
    """Read a wall time such as 23:50:00, 2-12:00:00, 90m or 36h and give it in s.

    Raises
    ------
    click.BadParameter
    """
    if text is None:
        return None
    clock = re.fullmatch(r"(?:(\d+)-)?(\d+):([0-5]?\d):([0-5]?\d)", text.strip())
    number = re.fullmatch(r"(\d+(?:\.\d*)?)([smhd])", text.strip())
    seconds = 0.0
    if clock:
        days, hours, minutes, rest = (int(part or 0) for part in clock.groups())
        seconds = ((24 * days + hours) * 60 + minutes) * 60 + rest
    elif number:
        seconds = float(number[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[number[2]]
    if seconds <= 0:
        raise click.BadParameter(
            f"expected a time such as 23:50:00, 2-12:00:00 (days first), 90m or 36h, found {text!r}", ctx, parameter
        )
    return seconds


def extend_option(
    ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, tuple[float, ...]]:
    """Read KEY=NUMBER or KEY=NUMBER,NUMBER,... for keys of [scan].

    Raises
    ------
    click.BadParameter
    """
    from runs.deck_extension import COUNTS, KEYS, LISTS

    additions = {}
    for text in values:
        name, _, numbers = text.partition("=")
        if name not in KEYS:
            raise click.BadParameter(f"expected one of {', '.join(KEYS)}, found {name!r}", ctx, parameter)
        try:
            additions[name] = tuple(float(number) for number in numbers.split(","))
            if not all(map(math.isfinite, additions[name])):
                raise ValueError
        except ValueError:
            raise click.BadParameter(f"expected {name}=NUMBER, found {text!r}", ctx, parameter) from None
        if name in COUNTS and (len(additions[name]) > 1 or not additions[name][0].is_integer()):
            raise click.BadParameter(f"expected {name}=WHOLE NUMBER, found {text!r}", ctx, parameter)
        if name not in LISTS and len(additions[name]) > 1:
            raise click.BadParameter(f"expected {name}=NUMBER, found {text!r}", ctx, parameter)
        if [other.partition("=")[0] for other in values].count(name) > 1:
            raise click.BadParameter(f"expected {name} once, found it several times", ctx, parameter)
    return {"refine": (1.0,), **additions} if "refine_loadings" in additions else additions


def value_option(ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
    """Read KEY=VALUE for keys of the deck, the value as TOML writes it; text needs no quotation marks.

    Raises
    ------
    click.BadParameter
    """
    found: dict[str, Any] = {}
    for text in values:
        # a key in quotation marks may hold an equals sign of its own
        match = re.fullmatch(r"""((?:"[^"]*"|'[^']*'|[^"'=])+)=(.*)""", text, re.DOTALL)
        if match is None or not match[2].strip():
            raise click.BadParameter(
                f"expected KEY=VALUE such as landscape.permittivity=5, found {text!r}", ctx, parameter
            )
        key, written = match[1].strip(), match[2].strip()
        if key in found:
            raise click.BadParameter(f"expected {key} once, found it several times", ctx, parameter)
        try:
            found[key] = tomllib.loads(f"x = {written}")["x"]
        except tomllib.TOMLDecodeError:
            found[key] = written
    return found


def permittivity_option(
    ctx: click.Context, parameter: click.Parameter, text: str | None
) -> float | tuple[float, ...] | tuple[tuple[float, ...], ...] | None:
    """Read one number, three, or the nine of a tensor row by row.

    Raises
    ------
    click.BadParameter
        Also if the tensor is not symmetric, or a principal value is out of range.
    """
    from lattice.screening import as_tensor
    from structures.errors import InputError

    if text is None:
        return None
    expected = "expected a number, 3 numbers such as 10,10,6, or the 9 of a symmetric tensor"
    try:
        numbers = tuple(float(number) for number in text.split(","))
    except ValueError:
        raise click.BadParameter(f"{expected}, found {text!r}", ctx, parameter) from None
    if len(numbers) not in (1, 3, 9):
        raise click.BadParameter(f"{expected}, found {len(numbers)} numbers", ctx, parameter)
    rows = (numbers[:3], numbers[3:6], numbers[6:])
    value = numbers[0] if len(numbers) == 1 else numbers if len(numbers) == 3 else rows
    try:
        as_tensor(value)
    except InputError as error:
        raise click.BadParameter(str(error), ctx, parameter) from None
    return value


def defect_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say what is missing in the crystal."""
    options = (
        click.option("--missing-nodes", type=float, help="Fraction of the nodes of metal that is missing, at random."),
        click.option("--missing-linkers", type=float, help="Fraction of the linkers that is missing, at random."),
        click.option(
            "--defect-cell",
            callback=repeats_option,
            metavar="2x2x1",
            help="Cells of the perfect crystal in which the missing pieces are chosen; default 1x1x1.",
        ),
        click.option("--defect-seed", type=int, help="Which pieces are missing follows from it; default 1."),
    )
    for option in reversed(options):
        command = option(command)
    return command


set_option = click.option(
    "--set",
    "values",
    multiple=True,
    callback=value_option,
    metavar="KEY=VALUE",
    help="Another value for a key of the deck, such as landscape.permittivity=5; can be given several times.",
)
