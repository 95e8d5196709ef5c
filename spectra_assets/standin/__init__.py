"""A loopback Zephyr Enterprise: seeded, faithful in its quirks, with faults that can be switched on.

It is the embedded default of the demo and of the tests. Facts about the API come from the zephyr intelligence pack and
from the observed shapes of its answers; where an answer's shape was never observed, the docstring says `inferred`.
Nothing of the pipeline reads the stand-in's truth; only tests do.
"""

SOURCE = "zephyr"
"""Name of the source that this stands in for."""
