"""SPECTRA Assets: any REST API as a governed lakehouse pipeline of Dagster assets."""
