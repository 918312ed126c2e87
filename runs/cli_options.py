"""Options of the command line that are more than a number: what they look like and what they become."""

from __future__ import annotations

from pathlib import Path

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
