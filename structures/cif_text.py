"""The text of a CIF: what is mended before it is read, and the values of one block."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gemmi import cif

from structures.errors import WARNING, InputError

_MAX_BYTES = 100_000_000
_SIGNS = str.maketrans({"−": "-", "–": "-", "‐": "-", "\u00a0": " ", "\u2009": " ", "\ufeff": " "})
_STRANGE = "~"  # for a character outside ASCII: no number, no element, not the "?" of an unknown value
_MEANINGFUL = ("_cell_", "_atom_site_", "_symmetry_", "_space_group_")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?(\(\d+\))?")
_SEVERAL = re.compile(r"\s*(_[^\s]+)\s+((?![;'\"_#$\[])[^\s#]+(?:[ \t]+(?![_#])[^\s#]+)+)\s*")
_TOKEN = re.compile(r"""\s+|(?:^|(?<=\s))(?:\#.*|(['"])(?:(?!\1(?:\s|$)).)*(\1(?=\s|$))?)|[^\s]+""")


@dataclass(frozen=True, slots=True)
class Block:
    """One data block.

    Attributes
    ----------
    file : str
        Name of the file, for messages.
    name : str
    values : mapping of str to tuple of str
        By tag in lower case; one value for a tag outside a loop. Unknown values ("?", ".") are empty.
    """

    file: str
    name: str
    values: Mapping[str, tuple[str, ...]]

    def first(self, *tags: str) -> str:
        """Value of the first of the tags that has one, empty if none has."""
        return next((self.values[tag][0] for tag in tags if self.values.get(tag, ("",))[0]), "")

    def column(self, *tags: str) -> tuple[str, ...]:
        """Values of the first of the tags that is there, () if none is."""
        return next((self.values[tag] for tag in tags if tag in self.values), ())


def read_block(file: str, raw: bytes) -> tuple[Block, list[str]]:
    """Return the first block with atoms, and a line for everything that was mended or chosen; see `read_blocks`."""
    blocks, lines = read_blocks(file, raw)
    if len(blocks) > 1:
        others = ", ".join(block.name for block in blocks[1:4]) + (", ..." if len(blocks) > 4 else "")
        lines.append(f"block {blocks[0].name} taken, the first of {len(blocks)} with atoms (left out: {others})")
    return blocks[0], lines


def read_blocks(file: str, raw: bytes) -> tuple[list[Block], list[str]]:
    """Return all blocks with atoms, and a line for everything that was mended.

    Parameters
    ----------
    file : str
        Name, for messages.
    raw : bytes

    Raises
    ------
    InputError
        If the text is no CIF even after mending, or no block has fractional coordinates.
    """
    if len(raw) > _MAX_BYTES:
        raise InputError(f"{file} must have at most {_MAX_BYTES // 10**6} MB; got {len(raw) / 1e6:.0f} MB")
    text, lines = _mend(raw)
    if not text.strip():
        raise InputError(f"{file} must hold a crystal structure; the file is empty")
    if "_atom_site_" not in text.lower().replace(".", "_"):
        raise InputError(f"{file} must hold a block with fractional atom coordinates; found none")
    try:
        document = cif.read_string(text, 0)
    except (ValueError, RuntimeError) as error:
        text, bare = _quoted(text)
        try:
            document = cif.read_string(text if bare else "", 0)
        except (ValueError, RuntimeError):
            bare = []
        if not bare:
            raise InputError(f"{file} cannot be read as a CIF: {_reason(str(error))}") from error
        lines.append(f"values of several words without quotes were taken together: {', '.join(bare[:4])}")
    blocks = [block for block in (_block(file, entry) for entry in document) if "_atom_site_fract_x" in block.values]
    if not blocks:
        cartesian = "; _atom_site_Cartn_x alone is not read" if "_atom_site_cartn_x" in text.lower() else ""
        raise InputError(f"{file} must hold a block with fractional atom coordinates; found none{cartesian}")
    return blocks, [*lines, *_cut(text, document, blocks[-1].name)]


def as_number(text: str) -> float | None:
    """Return the value of a number with or without an s.u. in brackets; None if the text is no number."""
    if not _NUMBER.fullmatch(text):
        return None
    return float(text.split("(")[0])


def _mend(raw: bytes) -> tuple[str, list[str]]:
    """Readable text: other signs for minus, no control characters, quotes and text fields closed."""
    text = raw.decode("utf-8-sig", errors="replace")
    lines = []
    signed = text.translate(_SIGNS)
    if signed != text and re.search("[−–‐](?=[0-9.])", text):
        lines.append("the file writes minus signs with other characters; they were read as minus signs")
    rows = re.split(r"\r\n|\r|\n", "".join(c if c in "\t\r\n" or " " <= c <= "~" else _STRANGE for c in signed))
    quotes, inside = 0, False
    for number, row in enumerate(rows):
        if row.startswith(";"):
            inside = not inside
        elif not inside:
            opened = [m for m in _TOKEN.finditer(row) if m.group(1) and not m.group(2)]
            if opened:
                quotes += 1
                rows[number] = row.rstrip() + opened[0].group(1)
    if quotes:
        lines.append(f"{quotes} unterminated quotes of the file were closed at the end of their line")
    if inside:
        rows.append(";")
        lines.append(f"{WARNING}the file ends inside a text field, as if it were cut off; the field was closed there")
    content = [row for row in rows if row.strip() and not row.lstrip().startswith("#")]
    if content and not content[0].lstrip().lower().startswith("data_") and content[0].lstrip()[:1] in "_l":
        rows.insert(0, "data_unnamed")
        lines.append("the file has no data_ line; everything was read as one block")
    return "\n".join(rows), lines


def _quoted(text: str) -> tuple[str, list[str]]:
    """Text with quotes around values of several words behind a tag, and the tags; some programs write P 1 without."""
    rows, tags, inside = text.split("\n"), [], False
    for number, row in enumerate(rows):
        inside ^= row.startswith(";")
        several = None if inside else _SEVERAL.fullmatch(row)
        if several and "'" not in row:
            tags.append(several.group(1))
            rows[number] = f"{several.group(1)} '{several.group(2)}'"
    return "\n".join(rows), tags


def _cut(text: str, document: cif.Document, last: str) -> list[str]:
    """Warn of a file that ends in the middle of a row of atoms: the last number may lack digits."""
    final = [item for item in document[-1]]
    ends = bool(final) and final[-1].loop is not None and final[-1].loop.tags[0].lower().startswith("_atom_site")
    if text.endswith("\n") or not ends or document[-1].name != last:
        return []
    return [f"{WARNING}the file ends within the list of atoms and without a line end, as if it were cut off after "
            f"{' '.join(text.rstrip().rsplit(maxsplit=1)[-1:])}"]  # fmt: skip


def _reason(message: str) -> str:
    """Reader's message with the line in words."""
    found = re.match(r"string:(\d+)(?::\d+\(\d+\):| in [^:]*:)?\s*(.*)", " ".join(message.split()))
    return f"line {found.group(1)}, {found.group(2)}"[:160] if found else " ".join(message.split())[:160]


def _block(file: str, entry: cif.Block) -> Block:
    values: dict[str, tuple[str, ...]] = {}
    for item in entry:
        columns: list[tuple[str, tuple[str, ...]]] = []
        pair: Any = item.pair
        if pair is not None:
            columns = [(str(pair[0]), (str(pair[1]),))]
        elif item.loop is not None:
            width = len(item.loop.tags)
            found = [str(value) for value in item.loop.values]
            columns = [(tag, tuple(found[k::width])) for k, tag in enumerate(item.loop.tags)]
        for tag, raw in columns:
            name = tag.lower().replace(".", "_")
            plain = tuple("" if value in ("?", ".") else " ".join(cif.as_string(value).split()) for value in raw)
            if values.get(name, plain) != plain and name.startswith(_MEANINGFUL):
                raise InputError(f"{file}: {tag} must be given once; found two different values in block {entry.name}")
            values.setdefault(name, plain)
    return Block(file, entry.name, values)
