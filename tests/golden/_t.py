"""All scenarios on JVM Spark, in a process of its own: `python jvm.py <folder> <file for the results>`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))


def main(folder: Path, results: Path) -> None:
    from pyspark.sql import SparkSession

    from tests.golden.scenarios import SCENARIOS
    from tests.relational import ParquetEngine, World

    options = {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "1g",
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.sql.adaptive.enabled": "false",
        # a few rows are interpreted long before code for them is compiled
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.driver.extraJavaOptions": "-XX:+UseSerialGC",
        "spark.ui.showConsoleProgress": "false", "spark.sql.constraintPropagation.enabled": "false",
        "spark.python.sql.dataFrameDebugging.enabled": "false",
        "spark.log.level": "ERROR",
    }
    builder = SparkSession.builder.master("local[2]")
    for name, value in options.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    found = {name: run(World(folder / name, ParquetEngine(session))) for name, run in SCENARIOS.items()}
    results.write_text(json.dumps(found, ensure_ascii=False), encoding="utf-8")
    import os; os.system("ps -o time,rss,comm -C java"); session.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
