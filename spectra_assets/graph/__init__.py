"""Covenants as a Dagster asset graph: the only room that imports dagster, with the command line."""
