"""Lists of numbers as Linux writes them, such as `0-2,8` for processors or NUMA nodes."""

from __future__ import annotations

from collections.abc import Iterable


def parse(text: str | int) -> list[int]:
    """Numbers in ascending order.

    Raises:
        ValueError: when a range runs backwards, or it is no such list.
    """
    numbers: set[int] = set()
    for part in str(text).strip().split(","):
        first, _, last = part.partition("-")
        if int(last or first) < int(first):
            raise ValueError(f"the range {part} runs backwards; write {last}-{first}")
        numbers.update(range(int(first), int(last or first) + 1))
    return sorted(numbers)


def written(numbers: Iterable[int]) -> str:
    """The list of these numbers, ranges as long as can be."""
    ranges: list[list[int]] = []
    for number in sorted(numbers):
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ",".join(f"{first}-{last}" if last > first else str(first) for first, last in ranges)
