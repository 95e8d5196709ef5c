"""Remedies: what a gap's evidence lets propose, as changes of playbooks and nothing else."""
