"""Playbooks: Markdown that people read and the machine executes. `parse` reads them, `edit` changes their rules."""
