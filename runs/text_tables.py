"""Tables and lists for a terminal of any width: what does not fit beside goes below, and no number is cut off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

PIPED_WIDTH = 100
_SENTENCE = 24  # columns that a sentence gets at least before it is wrapped


def output_console(*, stderr: bool = False) -> Console:
    """Return the console for tables or remarks: as wide as the terminal, 100 columns and no colour when piped."""
    console = Console(stderr=stderr, highlight=False)
    if console.is_terminal:
        return console
    return Console(stderr=stderr, highlight=False, width=PIPED_WIDTH)


@dataclass(eq=False, slots=True)
class TextTable:
    """A table that is split into several, one below the other, where the terminal is too narrow for all its columns.

    Attributes
    ----------
    title : str
    columns : tuple of str
        Headings; one that begins with "<" stands over words, with "~" over sentences that may be wrapped, any other
        over numbers. One that begins with "+" is not parted from the number before it.
    keys : int
        Leading columns that say what a row is about, repeated in every part.
    rows : list of list of str
        Cells may hold rich markup.
    sections : set of int
        Rows that begin a new section.
    caption : str
        Printed below.
    """

    title: str
    columns: tuple[str, ...]
    keys: int = 1
    rows: list[list[str]] = field(default_factory=list)
    sections: set[int] = field(default_factory=set)
    caption: str = ""

    def add_row(self, *cells: str) -> None:
        """Append a row."""
        self.rows.append([*cells, *[""] * (len(self.columns) - len(cells))])

    def add_section(self) -> None:
        """Begin a new section with the next row."""
        self.sections.add(len(self.rows))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Yield title, as many parts as the width asks for, and caption."""
        yield Text(f"\n{self.title}", style="bold")
        for n, part in enumerate(self._parts(console, options)):
            yield Text("") if n else Text("", end="")
            yield self._table(part)
        if self.caption:
            yield Text(self.caption, style="italic")

    def _parts(self, console: Console, options: ConsoleOptions) -> list[list[int]]:
        """Columns of each part: the keys and as many of the others as fit."""
        keys = list(range(self.keys))
        unbounded = options.update(width=10_000)
        parts: list[list[int]] = [keys]
        for group in self._groups():
            wider = [*parts[-1], *group]
            width = Measurement.get(console, unbounded, self._table(wider, sentences=False)).maximum
            if width > options.max_width and len(parts[-1]) > self.keys:
                parts.append([*keys, *group])
            else:
                parts[-1] = wider
        return parts

    def _groups(self) -> list[list[int]]:
        """Columns beside the keys, those together that are not to be parted."""
        groups: list[list[int]] = []
        for column in range(self.keys, len(self.columns)):
            if groups and self.columns[column].startswith("+"):
                groups[-1].append(column)
            else:
                groups.append([column])
        return groups

    def _table(self, columns: Sequence[int], *, sentences: bool = True) -> Table:
        """Table of some columns; without its sentences it has the width that they need at least."""
        made = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, show_edge=False)
        kinds = [self.columns[column][:1] for column in columns]
        for column, kind in zip(columns, kinds, strict=True):
            made.add_column(
                self.columns[column].lstrip("<~+"),
                justify="left" if kind in ("<", "~") else "right",
                no_wrap=kind not in ("<", "~"),
                overflow="fold",
                min_width=_SENTENCE if kind == "~" else None,
            )
        for n, row in enumerate(self.rows):
            if n and n in self.sections:
                made.add_section()
            cells = zip(columns, kinds, strict=True)
            made.add_row(*("" if kind == "~" and not sentences else row[column] for column, kind in cells))
        return made


def listing(title: str, lines: Sequence[str]) -> Group:
    """Return a title and one indented line of text for each entry."""
    grid = Table.grid(padding=(0, 1))
    for line in lines:
        grid.add_row("-", Text(line))
    return Group(Text(f"\n{title}", style="bold"), grid)
