"""The project's own playbooks, and copies of them that a test may damage."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from spectra_assets.playbook.folder import load_playbooks
from spectra_assets.playbook.model import FILES, FOLDER, Playbooks

PLAYBOOKS = Path(__file__).parents[2] / "playbooks"

STANDARDS = """# Standards

## Purpose

What holds for every source, cut short so that tests are quick.

## Standards

- **Read only.** Only `GET` requests are sent.

## Rules

```yaml
- id: standard-page-size
  kind: setting
  name: page_size
  value: 500
- {id: pii-email, kind: pii, scope: {field: '*email*'}, level: direct}
```
"""


@dataclass(frozen=True)
class Known:
    """The names which STRUCTURE.md documents."""

    actions: frozenset[str]
    gates: frozenset[str]


@dataclass(frozen=True)
class Copy:
    """A copy of the playbooks, with short standards."""

    folder: Path
    known: Known

    def path(self, stage: str) -> Path:
        name = next(name for name, (_, of) in FILES.items() if of == stage)
        return self.folder / FOLDER / name

    def change(self, path: Path, old: str, new: str) -> int:
        """Replace the first `old` of a document; the line on which it stood."""
        text = path.read_text()
        assert old in text, f"{path.name} does not hold {old!r}"
        path.write_text(text.replace(old, new, 1))
        return text[: text.index(old)].count("\n") + 1

    def load(self) -> Playbooks:
        return load_playbooks(self.folder, self.known.actions, self.known.gates)


@pytest.fixture(scope="session")
def structure() -> str:
    return (PLAYBOOKS / "STRUCTURE.md").read_text()


@pytest.fixture(scope="session")
def known(structure: str) -> Known:
    def first_column(heading: str) -> frozenset[str]:
        section = structure.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
        return frozenset(re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE))

    return Known(first_column("Actions"), first_column("Quality Gates"))


@pytest.fixture
def copy(tmp_path: Path, known: Known) -> Copy:
    shutil.copytree(PLAYBOOKS, tmp_path / "playbooks")
    (tmp_path / "playbooks" / "STANDARDS.md").write_text(STANDARDS)
    return Copy(tmp_path / "playbooks", known)


@pytest.fixture
def with_rules(copy: Copy) -> Callable[[str], Path]:
    """Gives the extract playbook of the copy one rule block with this YAML."""

    def write(yaml: str) -> Path:
        path = copy.path("extract")
        head = path.read_text().split("\n## Rules\n", 1)[0]
        path.write_text(f"{head}\n## Rules\n\n```yaml\n{yaml}\n```\n")
        return path

    return write
