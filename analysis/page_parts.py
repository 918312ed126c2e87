"""Pieces of which all HTML pages are made: templates, tables, and pictures that lie inside the page."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

PAGE = Path(__file__).parent / "page"


class Markup(str):
    """Text of a cell that is HTML already."""

    __slots__ = ()


def part(name: str) -> str:
    """Text of a file of the page folder."""
    return (PAGE / name).read_text(encoding="utf-8").strip()


def filled(name: str, values: Mapping[str, str]) -> str:
    """Template of the page folder with its {{names}} replaced by values, which are HTML."""
    first, *rest = part(name).split("{{")
    pieces = (piece.partition("}}") for piece in rest)
    return first + "".join(values[key] + text for key, _, text in pieces)


def html_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, note: str = "") -> str:
    """HTML of a table; a column whose name begins with "<" holds text, any other one numbers.

    Parameters
    ----------
    title : str
        No heading if empty.
    columns : sequence of str
    rows : sequence of sequence of str
        Cells are escaped unless they are `Markup`.
    note : str
        Sentence below the table.
    """
    kinds = [' class="text"' if column.startswith("<") else "" for column in columns]
    head = "".join(
        f"<th{kind}>{_cell(column.removeprefix('<'))}</th>" for kind, column in zip(kinds, columns, strict=True)
    )
    body = "\n".join(
        "<tr>" + "".join(f"<td{kind}>{_cell(cell)}</td>" for kind, cell in zip(kinds, row, strict=True)) + "</tr>"
        for row in rows
    )
    heading = f"<h2>{escape(title)}</h2>\n" if title else ""
    below = f'\n<p class="note">{_cell(note)}</p>' if note else ""
    return (
        f'<section>{heading}<div class="table"><table>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody>\n</table></div>{below}</section>"
    )


def html_list(lines: Sequence[str]) -> str:
    """HTML of a list of sentences."""
    return "<ul>\n" + "\n".join(f"<li>{_cell(line)}</li>" for line in lines) + "\n</ul>"


def html_picture(wide: bytes, narrow: bytes, description: str) -> str:
    """HTML of a picture in SVG that lies in the page, with another one for narrow screens."""
    return (
        f'<picture><source media="(max-width: 34rem)" srcset="{_as_data(narrow)}">'
        f'<img src="{_as_data(wide)}" alt="{escape(description)}" loading="lazy"></picture>'
    )


def _as_data(svg: bytes) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"


def _cell(text: str) -> str:
    return text if isinstance(text, Markup) else escape(text)
