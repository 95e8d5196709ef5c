"""Prepare: how endpoints page, which entity hangs on which, what the records look like."""
