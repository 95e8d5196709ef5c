"""Measurements of Extract."""
