"""Known vulnerabilities of what a lock pins: `python .ci/audit.py LOCK`.

A server that knows them is asked for each package, PyPI's or OSV's. Where neither is in reach, or knows the packages,
this says so and is no failure.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def answers(lock: str, service: str) -> list[dict]:
    """What a service tells of each package: `name`, `version` and `vulns`, or why it was not looked up."""
    auditor = str(Path(sys.executable).with_name("pip-audit"))
    options = ["--progress-spinner", "off", "--disable-pip", "--require-hashes", "-f", "json", "-s", service]
    result = subprocess.run([auditor, *options, "--timeout", "10", "-r", lock], capture_output=True, text=True)
    try:
        return json.loads(result.stdout)["dependencies"]
    except ValueError:
        print(f"audit: {service} did not answer: {(result.stderr.strip().splitlines() or ['nothing'])[-1][:200]}")
        return []


def main(lock: str) -> int:
    """Print what is known; 1 when something is."""
    for service in ("pypi", "osv"):
        packages = answers(lock, service)
        known = [package for package in packages if "vulns" in package]
        if known:
            break
    else:
        print(f"audit: SKIPPED: no server that knows vulnerabilities is in reach, so nothing of {lock} was looked up")
        return 0
    found = [(package, hole) for package in known for hole in package["vulns"]]
    for package, hole in found:
        mended = ", ".join(hole["fix_versions"]) or "no version yet"
        print(f"audit: {package['name']} {package['version']}: {hole['id']}, mended in {mended}")
    print(f"audit: {len(known)} of {len(packages)} packages looked up at {service}, {len(found)} known vulnerabilities")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
