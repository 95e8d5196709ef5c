"""All measurements, one after the other."""

import subprocess
import sys

for arguments in (
    ["benchmarks.load"],
    ["benchmarks.pipeline", "--executions", "2000", "--repeat", "3"],
    ["benchmarks.pipeline", "--executions", "100000"],
):
    subprocess.run([sys.executable, "-m", *arguments], check=True)
