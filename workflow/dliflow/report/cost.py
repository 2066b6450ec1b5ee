"""What a configuration costs in top-1, in words: from the images that tell it, or why they do not."""

from __future__ import annotations

from dliflow.analysis.quality import NOT_COMPARED, Bounds, Quality
from dliflow.analysis.rows import Row
from dliflow.analysis.tables.accuracy import ACCEPTED_LOSS, Loss
from dliflow.report import units

CHANCE = "its top-1 looks like chance"
PARITY = "by parity"


def percent(share: float) -> str:
    """A bound that somebody set: `1 %`, `0.5 %`."""
    return f"{100 * share:g} %"


def between(bounds: Bounds) -> str:
    """`up to 19.9 %`, `5.0 to 19.9 %`."""
    high = units.at_most(bounds.high)
    return f"{units.bare_percent(bounds.low)} to {high}" if round(bounds.low, 3) else f"up to {high}"


def most(quality: Quality, verb: str = "") -> str:
    """How much of top-1 is lost at most: `19.9 %`, of FP32 `0.0 %, by parity`; `–` where nothing tells."""
    return f"{units.at_most(quality.most)}{verb}{'' if quality.alone is None else f', {PARITY}'}"


def decided(quality: Quality, accepted: float = ACCEPTED_LOSS) -> bool:
    """Whether it is known if more is lost than is accepted."""
    return quality.loss.high <= accepted or quality.loss.low > accepted


def cost(quality: Quality, accepted: float = ACCEPTED_LOSS) -> str:
    """What it costs in top-1; where images cannot tell whether that is more than is accepted, which would."""
    of = quality.row
    if of is None:
        return "what it costs in top-1 is not known: it has no accuracy"
    if quality.chance:
        return CHANCE
    if quality.loss == NOT_COMPARED:
        return "what it costs in top-1 is not known: it is compared with nothing that is well"
    if not quality.loss.high:
        return "no loss of top-1 shown"
    if decided(quality, accepted):
        return f"it loses {between(quality.loss)} of top-1"
    what = f"{_images(of)} cannot tell what {of['precision']} costs"
    return f"{what}: {between(quality.loss)} of top-1{_enough(of, accepted)}"


def _images(of: Row) -> str:
    without = of["unlabelled_images"]
    return (
        f"{of['images']:,} images"
        if without is None
        else f"{of['images']:,} images with and {without:,} without labels"
    )


def _enough(of: Row, accepted: float) -> str:
    loss = Loss.of(of)._replace(accepted=accepted)
    needed = {"with labels": loss.images_needed, "without": loss.unlabelled_needed}
    enough = " or ".join(f"{number:,} {kind}" for kind, number in needed.items() if number is not None)
    return f"; some {enough} would tell if it is over {percent(accepted)}" if enough else ""


def change(quality: Quality) -> str:
    """How often the class is another one than FP32's, as far as images tell."""
    if quality.chance:
        return CHANCE
    if quality.row is None or quality.disagreement == NOT_COMPARED:
        return "how often its class is another one is not known"
    images = quality.row["unlabelled_images"] or quality.row["images"]
    return f"{images:,} images tell only that {between(quality.disagreement)} of them get another class"
