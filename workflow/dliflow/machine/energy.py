"""The energy that a request takes: of the machine's processors as RAPL counts it, or of an NVIDIA GPU by NVML.

RAPL stands below /sys/class/powercap (Linux). Each package (socket) has a counter of µJ that begins anew at its range;
documentation/power/powercap of the kernel. It counts all that runs on the package, and what an idle one takes. Since
CVE-2020-8694 only root may read it, unless somebody allows it.

NVML counts the mJ of a whole card since its driver was loaded (nvmlDeviceGetTotalEnergyConsumption; Volta and later).
On an H200 the counter moved every 0.1 s, and reading it took 4 ms.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Optional

from dliflow.machine import system

POWERCAP = Path("/sys/class/powercap")
COUNTER, RANGE = "energy_uj", "max_energy_range_uj"

RAPL, NVML = "RAPL", "NVML"
SHORTEST_S = {RAPL: 0.0, NVML: 2.0}  # of a burst: what a card's counter may lag behind is 5 % of it

Reading = Mapping[str, int]
"""µJ of each package's counter, by its folder; or of a card's, by its UUID."""


def packages() -> list[Path]:
    """Folders of the processors' packages: not those of their parts, and not of the whole machine (psys)."""
    zones = sorted(POWERCAP.glob("intel-rapl:*"))  # AMD's have this name, too
    return [zone for zone in zones if (system.read(str(zone / "name")) or "").startswith("package")]


def read(by: str = RAPL) -> Reading:
    """The counters as they are now; none where there are none.

    Also where one of several packages cannot be read, since half of a machine is no figure.
    """
    if by == NVML:
        counter = card()
        return {} if counter is None else counter()
    readings = {str(zone): system.read(str(zone / COUNTER)) for zone in packages()}
    counted = {zone: int(value) for zone, value in readings.items() if value}
    return counted if len(counted) == len(readings) else {}


def between(before: Reading, after: Reading) -> Optional[int]:
    """µJ that all packages took from one reading to another, which is less than a counter's range later.

    None where they cannot be read, or the range of one that began anew cannot.
    """
    if not before or before.keys() != after.keys():
        return None
    taken = {zone: after[zone] - value for zone, value in before.items()}
    ranges = [system.read(f"{zone}/{RANGE}") for zone, value in taken.items() if value < 0]
    if not all(ranges):
        return None
    return sum(taken.values()) + sum(int(each) for each in ranges if each)


@functools.cache
def card() -> Optional[Callable[[], Reading]]:
    """What reads the counter of the NVIDIA GPU that this process uses; None where it cannot be told, or counts nothing.

    It is the machine's only one, or that which CUDA_VISIBLE_DEVICES names by its UUID. Of several, CUDA's numbers are
    not NVML's.
    """
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        if visible.startswith("GPU-") and "," not in visible:
            handle = pynvml.nvmlDeviceGetHandleByUUID(visible)
        elif pynvml.nvmlDeviceGetCount() == 1:
            handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        else:
            return None
        name = pynvml.nvmlDeviceGetUUID(handle)
        pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except pynvml.NVMLError:
        return None

    def counter() -> Reading:
        try:
            return {name: 1000 * pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)}
        except pynvml.NVMLError:  # a card that was lost, which its own framework will tell of
            return {}

    return counter


def told() -> str:
    """Whether the energy of a request can be had here, by what, or else how."""
    zones = packages()
    if not zones:
        return "cannot be had: the machine tells no counter (RAPL) in /sys/class/powercap; virtual machines have none"
    if not read():
        counters = " ".join(str(zone / COUNTER) for zone in zones)
        allowed = f"until the next boot, sudo chmod a+r {counters}"
        return f"cannot be had: its counters are for root alone (CVE-2020-8694); {allowed}"
    return f"by RAPL, of {len(zones)} processor package{'s' if len(zones) > 1 else ''}: all that runs there counts"
