"""What to say of a machine that was too busy to measure on: it weakens all figures and comes before any of them."""

from __future__ import annotations

from dliflow.analysis.doubts import BUSY, SLOWED
from dliflow.analysis.strain import Strain


def complaints(strains: list[Strain]) -> list[str]:
    """What was too much, in words that help; nothing where nothing was."""
    complaints = []
    so = "what was measured tells more of that than of the frameworks, and who is fastest is not said; "
    again = "then measure again with --forcerun latency"
    of = f"of {len(strains)} measurements of a configuration or of rounds"
    busy = [strain.taken for strain in strains if strain.taken is not None and strain.busy]
    slow = [strain.slowed for strain in strains if strain.slowed is not None and strain.slow]
    if busy:
        complaints.append(
            f"others took up to {max(busy):.0%} of the processors' time, and more than {BUSY:.0%} in {len(busy)} "
            f"{of}: {so}stop them, or use another machine, {again}"
        )
    if slow:
        complaints.append(
            f"the pacer, a fixed piece of work, took up to {max(slow):.0f} times as long as at its best, and more than "
            f"{SLOWED:g} times in {len(slow)} {of}: {so}let "
            f"the machine come to rest, or use another one, {again}"
        )
    return complaints
