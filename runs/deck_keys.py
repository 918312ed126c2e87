"""How a key of the deck is declared: meaning, unit and range, and what a number out of range was probably meant as."""

from __future__ import annotations

import math
from typing import Annotated, Any, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, field_validator
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import ValidationInfo

from lattice.screening import as_tensor
from structures.errors import InputError
from structures.units import BOLTZMANN_SI, CELSIUS_ZERO, ELEMENTARY_CHARGE

Vector = tuple[float, float, float]
Tensor = tuple[Vector, Vector, Vector]

# What a number far outside its range was probably meant in: unit of the deck -> (other unit, factor, shift).
_LIKELY_UNITS: dict[str, tuple[tuple[str, float, float], ...]] = {
    "eV": (("meV", 1e-3, 0.0), ("K", BOLTZMANN_SI / ELEMENTARY_CHARGE, 0.0)),
    "Å": (("nm", 10.0, 0.0),),
    "K": (("°C", 1.0, CELSIUS_ZERO),),
    "1/s": (("THz", 1e12, 0.0),),
    "mol/L": (("mmol/L", 1e-3, 0.0),),
}


def key(description: str, *, unit: str = "", within: tuple[float, float] | None = None, default: Any = ...) -> Any:
    """Declare a key of the deck: its meaning, its unit and the closed range of its number or of each of its numbers."""
    return Field(default=default, description=description, json_schema_extra={"unit": unit, "within": within})  # type: ignore[dict-item]


class Table(BaseModel):
    """One table of the deck: unknown keys, wrong types and numbers outside their range are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @field_validator("*")
    @classmethod
    def _check_range(cls, value: Any, info: ValidationInfo) -> Any:
        extra = field_extra(cls, str(info.field_name))
        if extra.get("within") is not None:
            for where, number in _numbers(value):
                problem = outside(number, extra["within"], extra["unit"])
                if problem:
                    raise PydanticCustomError("range", "{where}: {problem}", {"where": where, "problem": problem})
        return value


def field_extra(table: type[BaseModel], name: str) -> dict[str, Any]:
    """Return unit and range of one key, as `key` declared them."""
    extra = table.model_fields[name].json_schema_extra if name in table.model_fields else None
    return dict(extra) if isinstance(extra, dict) else {}


def tables_in(annotation: Any) -> list[type[Table]]:
    """Tables that the value of a key can consist of: itself, one of a union, or the entries of a list or mapping."""
    if isinstance(annotation, type) and issubclass(annotation, Table):
        return [annotation]
    return [table for part in get_args(annotation) for table in tables_in(part)]


def _whole(value: Any) -> Any:
    """Give 1e6, which TOML reads as a float, as a whole number."""
    return int(value) if isinstance(value, float) and math.isfinite(value) and value == int(value) else value


Whole = Annotated[int, BeforeValidator(_whole)]


def _permittivity(value: Any) -> float | Vector | Tensor:
    if not _all_numbers(value):
        raise PydanticCustomError("expected", "a number, 3 numbers along x, y, z, or a symmetric 3 x 3 tensor")
    try:
        as_tensor(value)
    except InputError as error:
        said = str(error).removeprefix("permittivity ")
        raise PydanticCustomError("range", ": {problem}", {"problem": said}) from None
    return value  # type: ignore[no-any-return]


def _all_numbers(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_all_numbers, value))
    return isinstance(value, int | float) and not isinstance(value, bool)


Permittivity = Annotated[float | Vector | Tensor, PlainValidator(_permittivity)]


def _by_ion(value: Any) -> float | dict[str, float]:
    of_ions = list(value.values()) if isinstance(value, dict) else [value]
    if not of_ions or not all(_all_numbers(number) and not isinstance(number, tuple) for number in of_ions):
        raise PydanticCustomError("expected", 'a number, or a table of numbers by ion such as {"Li+" = 1}')
    return {name: float(number) for name, number in value.items()} if isinstance(value, dict) else float(value)


NumberByIon = Annotated[float | dict[str, float], PlainValidator(_by_ion)]


def outside(number: float, within: tuple[float, float], unit: str) -> str:
    """Say that a number lies outside its range and what it was probably meant as; empty if it does not."""
    low, high = within
    if low <= number <= high:
        return ""
    text = f"expected {low:g} to {high:g} {unit}".rstrip() + f", found {number:g}"
    for other, factor, shift in _LIKELY_UNITS.get(unit, ()):
        converted = number * factor + shift
        if low <= converted <= high:
            return f"{text}; {number:g} is probably {other}, write {converted:g} {unit}"
    return text


def _numbers(value: Any) -> list[tuple[str, float]]:
    if isinstance(value, tuple):
        return [(f", item {i + 1}", v) for i, v in enumerate(value)]
    if isinstance(value, dict):
        return [(f" {name}", v) for name, v in value.items()]
    return [] if value is None else [("", value)]
