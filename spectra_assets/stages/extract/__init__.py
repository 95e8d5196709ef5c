"""Extract: every record, counted."""
