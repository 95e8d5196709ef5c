"""Analyse: measures, charts, the semantic model."""
