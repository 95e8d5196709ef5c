"""Asking an API before all of it is fetched: within a budget, what answers hold, lists read in part, samples."""
