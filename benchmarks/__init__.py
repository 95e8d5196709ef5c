"""Measurements, each with the command that makes it. `python -m benchmarks` runs them all; figures stand in benchmarks/README.md."""
