"""A remedy as text: the one document that it changes, with the lesson's mark on the change."""

from __future__ import annotations

from pathlib import Path

from spectra_assets.learning.remedy.model import AddGate, AddRule, Remedy
from spectra_assets.playbook.edit import add_gate, add_rule, add_step


def changed(playbooks: Path, remedy: Remedy, lesson: str) -> dict[str, str]:
    """File below `playbooks` → its text with the remedy, marked with the id of its lesson; nothing is written.

    Raises DocumentError if the document does not take it.
    """
    texts: dict[str, str] = {}
    for edit in remedy.edits:
        path = playbooks / edit.file
        if isinstance(edit, AddRule):
            texts[edit.file] = add_rule(path, {"id": rule_id(lesson), **edit.rule, "lesson": lesson})
        elif isinstance(edit, AddGate):
            texts[edit.file] = add_gate(path, edit.gate, edit.tables, edit.severity, f"{edit.text} (Lesson: `{lesson}`.)")
        else:
            prose = f"{edit.prose} (Lesson: `{lesson}`.)"
            texts[edit.file] = add_step(path, edit.title, prose, edit.action, edit.makes, edit.before)
    return texts


def rule_id(lesson: str) -> str:
    """Id of the rule that a lesson brings."""
    return f"lesson-{lesson}"[:120]
