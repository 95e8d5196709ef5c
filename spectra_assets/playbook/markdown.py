"""The little Markdown that playbooks use: headings, bullets and fenced blocks, each with its line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from spectra_assets.errors import DocumentError
from spectra_assets.playbook.rules import unknown

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_HEADING = re.compile(r"(#{1,6})\s+(.*)")


@dataclass(frozen=True)
class Line:
    """One line without its end; `fenced` if it belongs to a fenced block, whose fences included."""

    number: int
    text: str
    fenced: bool


@dataclass(frozen=True)
class Block:
    """A fenced block: the lines of its fences and what is between them."""

    info: str
    first: int
    last: int
    text: str


@dataclass(frozen=True)
class Bullet:
    """A list item, its lines joined by blanks."""

    line: int
    text: str


@dataclass(frozen=True)
class Section:
    """A heading with what follows it, up to the next heading of its level or above."""

    title: str
    line: int
    lines: tuple[Line, ...]
    blocks: tuple[Block, ...]

    @property
    def last(self) -> int:
        """Number of the section's last line."""
        return self.lines[-1].number if self.lines else self.line

    @property
    def prose(self) -> str:
        """The section as written, without outer blank lines."""
        return "\n".join(line.text for line in self.lines).strip()


@dataclass(frozen=True)
class Document:
    """A Markdown text cut into its lines and fenced blocks."""

    file: str
    lines: tuple[Line, ...]
    blocks: tuple[Block, ...]

    def error(self, message: str, line: int) -> DocumentError:
        return DocumentError(message, self.file, line)


def scan(text: str, file: str) -> Document:
    """Cut a text into lines and fenced blocks. Raises DocumentError for a fence that is never closed."""
    raw = [line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n")]
    if raw and raw[-1] == "":
        raw.pop()
    lines: list[Line] = []
    blocks: list[Block] = []
    fence, info, start = "", "", 0
    for number, content in enumerate(raw, 1):
        match = _FENCE.fullmatch(content)
        lines.append(Line(number, content, bool(fence or match)))
        if not fence and match:
            fence, info, start = match[1], match[2].strip(), number
        elif fence and match and match[1].startswith(fence) and not match[2].strip():
            blocks.append(Block(info, start, number, "\n".join(raw[start : number - 1]) + "\n"))
            fence = ""
    if fence:
        raise DocumentError(f"this block is never closed; end it with a line {fence}", file, start)
    return Document(file, tuple(lines), tuple(blocks))


def sections(document: Document, lines: tuple[Line, ...], level: int) -> Iterator[Section]:
    """The sections of one heading level among `lines`; what stands before the first heading is left out."""
    starts = [(i, match[2]) for i, match in _headings(lines) if len(match[1]) == level]
    for (i, title), (end, _) in zip(starts, [*starts[1:], (len(lines), "")], strict=True):
        body = lines[i + 1 : end]
        numbers = {line.number for line in body}
        yield Section(title.strip(), lines[i].number, body, tuple(b for b in document.blocks if b.first in numbers))


def _headings(lines: tuple[Line, ...]) -> Iterator[tuple[int, re.Match[str]]]:
    for i, line in enumerate(lines):
        match = None if line.fenced else _HEADING.fullmatch(line.text)
        if match:
            yield i, match


def title_of(document: Document) -> str:
    """The text of the one `# ` heading, which comes first."""
    found = [(document.lines[i].number, match[2]) for i, match in _headings(document.lines) if len(match[1]) == 1]
    if len(found) > 1:
        raise document.error(f"a second title {found[1][1]!r}; a document has one, on its first line", found[1][0])
    if not found or not found[0][1].strip():
        raise document.error("the title is missing; write '# <Title>' on the first line", 1)
    before = [line for line in document.lines[: found[0][0] - 1] if line.text.strip()]
    if before:
        raise document.error("text before the title; the title comes first", before[0].number)
    return found[0][1].strip()


def by_heading(document: Document, headings: tuple[str, ...]) -> dict[str, Section]:
    """The sections of level 2, which must be exactly `headings` in that order."""
    found = list(sections(document, document.lines, 2))
    for i, section in enumerate(found):
        if section.title not in headings:
            raise document.error(unknown("heading", section.title, headings), section.line)
        if section.title in [earlier.title for earlier in found[:i]]:
            raise document.error(f"heading {section.title!r} stands twice; merge the two", section.line)
    order = ", ".join(headings)
    titles = [section.title for section in found]
    for i, heading in enumerate(headings):
        if heading not in titles:
            line = found[i].line if i < len(found) else len(document.lines)
            raise document.error(f"heading '## {heading}' is missing here; valid, in this order: {order}", line)
    for section, heading in zip(found, headings, strict=True):
        if section.title != heading:
            message = f"heading {section.title!r} where {heading!r} belongs; valid, in this order: {order}"
            raise document.error(message, section.line)
    return {section.title: section for section in found}


def bullets(document: Document, lines: tuple[Line, ...]) -> list[Bullet]:
    """The list items among `lines`. An item goes on until a blank line; lists are flat and written with `- `."""
    found: list[tuple[int, list[str]]] = []
    inside = False
    for line in lines:
        if line.fenced or not line.text.strip() or line.text.startswith("#"):
            inside = False
        elif line.text.startswith("- "):
            found.append((line.number, [line.text[2:].strip()]))
            inside = True
        elif re.match(r"\s*[*+]\s|\s+-\s|-\S", line.text):
            message = f"{line.text.strip()[:80]!r}: write a list item as '- …' at the start of the line"
            raise document.error(message, line.number)
        elif inside:
            found[-1][1].append(line.text.strip())
    return [Bullet(number, " ".join(parts)) for number, parts in found]
