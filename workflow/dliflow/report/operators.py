"""Where the time of a request goes: the profiles, for the page and the terminal, and INT8 beside FP32."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Optional

from dliflow.analysis.rows import Row, Rows, grouped
from dliflow.report import names, units

PROFILE = ("model", "device", "node", "framework", "api", "variant", "precision", "batch_size")
COMPARED = tuple(key for key in PROFILE if key != "precision")
NODES = 20  # so many single operators of a profile are shown
LINES = 6  # so many kinds of operators on the terminal
WORTH_NAMING = 0.05  # a share of a difference


class Kind(NamedTuple):
    """Operators of a profile that do the same on the same kernel."""

    type: str
    kernel: Optional[str]
    int8: Optional[bool]
    calls: int
    us: float
    share: float

    @property
    def ms(self) -> float:
        """What they take in a request."""
        return self.us / 1e3


class Profile(NamedTuple):
    """The profile of a configuration at a batch size."""

    row: Row
    """Any of its rows: what they have in common."""
    kinds: list[Kind]
    """Those that take longest first."""
    nodes: Rows
    """Single operators, likewise, as far as the profiler tells of them."""

    @property
    def name(self) -> str:
        """What was profiled."""
        return f"{names.configuration(self.row)}, batch size {self.row['batch_size']}"

    @property
    def int8_share(self) -> Optional[float]:
        """The share of the operators' time in INT8; None where it is not told of any."""
        known = [kind for kind in self.kinds if kind.int8 is not None]
        return sum(kind.share for kind in known if kind.int8) if known else None


class Difference(NamedTuple):
    """What a kind of operators takes in either precision, ms; None where there are none."""

    kind: str
    fp32: Optional[float]
    int8: Optional[float]

    @property
    def ms(self) -> float:
        """By how much INT8 takes longer."""
        return (self.int8 or 0.0) - (self.fp32 or 0.0)


class Beside(NamedTuple):
    """INT8 beside FP32 of the same framework, variant and batch size."""

    fp32: Profile
    int8: Profile
    differences: list[Difference]
    """The largest first, whatever its sign."""
    why: str


def profiles(rows: Rows) -> list[Profile]:
    """Those that there are figures of."""
    good = [row for row in rows if row["status"] == "ok"]
    return [_profile(of_one) for of_one in grouped(good, PROFILE).values()]


def _profile(rows: Rows) -> Profile:
    kinds = [
        Kind(kind, kernel, int8, *(sum(row[name] for row in alike) for name in ("calls", "median_us", "share")))
        for (kind, kernel, int8), alike in grouped(rows, ("type", "kernel", "int8")).items()
    ]
    nodes = [row for row in rows if row["name"]]
    return Profile(rows[0], sorted(kinds, key=lambda kind: -kind.share), nodes[:NODES])


def beside(rows: Rows) -> list[Beside]:
    """Each INT8 profile that there is one of FP32 beside."""
    good = [row for row in rows if row["status"] == "ok"]
    pairs = []
    for of_both in grouped(good, COMPARED).values():
        by_precision = {precision: alike for (precision,), alike in grouped(of_both, ("precision",)).items()}
        if {"fp32", "int8"} <= set(by_precision):
            pairs.append(_beside(by_precision["fp32"], by_precision["int8"]))
    return pairs


def _beside(fp32_rows: Rows, int8_rows: Rows) -> Beside:
    fp32, int8 = _by_kind(fp32_rows), _by_kind(int8_rows)
    differences = [Difference(kind, fp32.get(kind), int8.get(kind)) for kind in dict.fromkeys((*fp32, *int8))]
    differences.sort(key=lambda one: -abs(one.ms))
    profiled = _profile(fp32_rows), _profile(int8_rows)
    return Beside(*profiled, differences, _why(*profiled, differences))


def _by_kind(rows: Rows) -> dict[str, float]:
    return {kind: sum(row["median_us"] for row in alike) / 1e3 for (kind,), alike in grouped(rows, ("kind",)).items()}


def _why(fp32: Profile, int8: Profile, differences: Iterable[Difference]) -> str:
    """The answer in a few sentences: the whole, what makes the most of it, and what does not run in INT8."""
    of_fp32, of_int8 = fp32.row["operators_ms"], int8.row["operators_ms"]
    difference = of_int8 - of_fp32
    sentences = [
        f"The operators of INT8 take {units.significant(of_int8)} ms, {of_int8 / of_fp32:.2f}× the "
        f"{units.significant(of_fp32)} ms of those of FP32."
    ]
    causes = [one for one in differences if one.ms / difference > WORTH_NAMING] if difference else []
    listed = names.listed([f"{one.kind} ({_signed(one.ms)} ms)" for one in causes[:3]])
    sentences += [f"Most of the difference is {listed}."] if causes else []
    if int8.int8_share is not None:
        rest = [kind for kind in int8.kinds if not kind.int8 and kind.share > WORTH_NAMING / 5][:2]
        listed = names.listed([f"{kind.type} ({units.percent(kind.share)})" for kind in rest])
        others = f"; of the rest, most is {listed}" if rest else ""
        sentences += [f"INT8 computes on integers of 8 bits in {units.percent(int8.int8_share)} of its time{others}."]
    return " ".join(sentences)


def _signed(value: float) -> str:
    return f"{'+' if value > 0 else '−'}{units.significant(abs(value))}"


def text(rows: Rows) -> str:
    """All of it for the terminal."""
    parts = ["\n".join(_lines(profile)) for profile in profiles(rows)]
    parts += [f"{pair.int8.name}, beside FP32:\n  {pair.why}" for pair in beside(rows)]
    parts += [f"{_called(row)}: {row['reason']}" for row in rows if row["status"] != "ok"]
    return "\n\n".join(["WHERE THE TIME GOES", *parts]) + "\n"


def _called(row: Row) -> str:
    return f"{names.configuration(row)}, batch size {row['batch_size']}"


def whole(row: Row) -> str:
    """How much of a request a profile explains, and what the profiler costs."""
    slowed = row["profiled_ms"] / row["latency_ms"]
    return (
        f"operators take {units.significant(row['operators_ms'])} ms, {units.percent(row['coverage'])} of the "
        f"{units.significant(row['latency_ms'])} ms of a request without the profiler; with it a request took "
        f"{slowed:.2f}× as long"
    )


def _lines(profile: Profile) -> list[str]:
    in_int8 = f"; {units.percent(profile.int8_share)} of them in INT8" if profile.int8_share else ""
    lines = [f"{profile.name} ({names.setting(profile.row)}): {whole(profile.row)}{in_int8}"]
    for kind in profile.kinds[:LINES]:
        kernel, marked = f" by {kind.kernel}" if kind.kernel else "", "  INT8" if kind.int8 else ""
        lines.append(_line(kind.share, kind.ms, kind.calls, f"× {kind.type}{kernel}{marked}"))
    left = profile.kinds[LINES:]
    if left:
        share, ms, calls = (sum(getattr(kind, name) for kind in left) for name in ("share", "ms", "calls"))
        lines.append(_line(share, ms, calls, "others"))
    return lines


def _line(share: float, ms: float, calls: int, what: str) -> str:
    return f"  {units.percent(share):>7}  {units.significant(ms):>7} ms  {calls:>3} {what}"
