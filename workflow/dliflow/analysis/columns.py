"""The columns of all tables, declared once: frames, what the report reads and docs/tables.md are made of this.

Names, kinds and units are an interface: columns are only ever added, at a table's end.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from dliflow.study import plan

TEXT, WHOLE, NUMBER, YES_NO = "text", "whole number", "number", "yes or no"

# What identifies a configuration of a model, what one latency figure belongs to, what shares a section of the report,
# and what one comparison belongs to.
CONFIGURATION = plan.IDENTITY
POINT = (*CONFIGURATION, "node", "scenario", "parameters", "batch_size")
SETTING = ("model", "device", "node", "scenario")
COMPARED = (*SETTING, "batch_size")


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        kind: TEXT, WHOLE, NUMBER or YES_NO, which is written as `True` or `False`.
        unit: of a figure; a share is from 0 to 1. Empty for what has none.
        meaning: what stands in it.
        empty: when its cell is empty; `never` where it never is.
    """

    name: str
    kind: str
    unit: str
    meaning: str
    empty: str


def ends(name: str, unit: str, meaning: str, empty: str, suffix: str = "") -> tuple[Column, Column]:
    """The two columns of an interval.

    Args:
        suffix: of their names, behind `low` and `high`: `_ms`.
    """
    low, high = (Column(f"{name}_ci_{end}{suffix}", NUMBER, unit, meaning, empty) for end in ("low", "high"))
    return low, high


def several(names: str, kind: str, unit: str, meaning: str, empty: str) -> tuple[Column, ...]:
    """Columns of which all but the name is the same; their names stand in one text."""
    return tuple(Column(name, kind, unit, meaning, empty) for name in names.split())


MODEL = Column("model", TEXT, "", "name of the file in `config/models`", "never")
FRAMEWORK = Column("framework", TEXT, "", "name of the file in `workflow/dliflow/frameworks`", "never")
VERSION = Column("framework_version", TEXT, "", "the version that ran, as the framework tells", "nothing ran")
VARIANT = Column("variant", TEXT, "", "way of running the framework; `default` where there is only one", "never")
PRECISION = Column("precision", TEXT, "", "`fp32`, `fp16`, `bf16`, `int8`", "never")
DEVICE = Column("device", TEXT, "", "`cpu`, `gpu`", "never")
STATUS = Column(
    "status",
    TEXT,
    "",
    "`ok`; `skipped`: the framework declares that it cannot; `failed`: something broke",
    "never",
)
REASON = Column(
    "reason",
    TEXT,
    "",
    "why not `ok`: the framework's declaration, or the stage that broke and its error",
    "`status` is `ok`",
)
RUN = (MODEL, FRAMEWORK, VERSION, VARIANT, PRECISION, DEVICE)
SHARED = (*RUN, STATUS, REASON)

NODE = Column("node", TEXT, "", "what the machine is called (`node` in the config)", "never")
SCENARIO = Column("scenario", TEXT, "", "`latency`: one request after another", "never")
PARAMETERS = Column("parameters", TEXT, "", "settings that a study varies: `default`", "never")
BATCH_SIZE = Column("batch_size", WHOLE, "images", "images in a request", "never")
THREADS = Column(
    "threads",
    TEXT,
    "",
    "compute threads asked for: a number, or `default` for the framework's own choice",
    "nothing ran",
)
THREADS_IN_EFFECT = Column(
    "threads_in_effect", WHOLE, "count", "as the framework itself tells", "nothing ran, or it has no say"
)
LAUNCH = Column(
    "launch",
    TEXT,
    "",
    "what of `launch`, `latency.inputs` and `latency.distinct` is not the default, such as `cpus 0-3; nice -5; random "
    "inputs`; what was in effect stands in the record",
    "nothing was measured, or all are defaults",
)
MEASURED_AT = (NODE, SCENARIO, PARAMETERS, BATCH_SIZE)
WARNINGS = Column("warnings", TEXT, "", "what weakens the figures, and what to do about it", "nothing does")
RECORD = Column(
    "record",
    TEXT,
    "",
    "path of the record from the working directory: every duration, the machine, the exact command",
    "never",
)

NOT_OK = "not `ok`"
PARITY = (
    *RUN,
    Column("images", WHOLE, "count", "images in the batch", NOT_OK),
    Column("max_abs_score_diff", NUMBER, "score", "largest absolute difference of any score", NOT_OK),
    Column(
        "max_rel_score_diff",
        NUMBER,
        "ratio",
        "that difference / the reference's largest magnitude of a score",
        NOT_OK,
    ),
    Column("agreement", NUMBER, "share", "images whose highest score is in the same class", NOT_OK),
    Column(
        "tolerance",
        NUMBER,
        "ratio",
        "largest `max_rel_score_diff` that is accepted (`parity.tolerance`)",
        "not `ok`, or any is accepted",
    ),
    STATUS,
    REASON,
    Column(
        "score_distance",
        NUMBER,
        "ratio",
        "root mean square of the differences of all scores / standard deviation of the reference's scores: 0 for the "
        "same scores, 1 for a network that always gives the reference's mean",
        NOT_OK,
    ),
    Column(
        "distance_bound",
        NUMBER,
        "ratio",
        "largest `score_distance` that is accepted (`parity.distance`)",
        "not `ok`, or any is accepted",
    ),
    Column(
        "agreement_bound",
        NUMBER,
        "share",
        "smallest `agreement` that is accepted (`parity.agreement`)",
        "not `ok`, or any is accepted",
    ),
)

UNEVALUATED, UNCOMPARED = "nothing was evaluated", "no `baseline`"
ACCURACY = (
    MODEL,
    Column("dataset", TEXT, "", "name of the file in `config/datasets`", "never"),
    *RUN[1:],
    Column("images", WHOLE, "count", "labelled images that were evaluated", UNEVALUATED),
    Column("top1", NUMBER, "share", "images whose true class is the one of highest score", UNEVALUATED),
    *ends("top1", "share", "Wilson's interval of `top1`", UNEVALUATED),
    Column("top5", NUMBER, "share", "images whose true class is among the five of highest score", UNEVALUATED),
    *ends("top5", "share", "Wilson's interval of `top5`", UNEVALUATED),
    Column(
        "baseline",
        TEXT,
        "",
        "what the next columns compare with, `framework-variant-precision`: FP32 of the same framework and variant; "
        "for FP32, that of the reference runtime, whose first variant is the reference itself. Where that is not `ok` "
        "or saw other images, the next of: FP32 of another variant, of the reference runtime",
        "not `ok`, it is the reference itself, or none of them is well",
    ),
    Column(
        "baseline_reason",
        TEXT,
        "",
        "why there is no `baseline`, or another one than is looked for first",
        "not `ok`, or it is the first one",
    ),
    Column(
        "top1_change",
        NUMBER,
        "share",
        "`top1` minus the baseline's, on the same images; 0.01 is one percentage point",
        UNCOMPARED,
    ),
    *ends(
        "top1_change",
        "share",
        "adjusted Wald interval of a paired difference (Bonett and Price, 2012)",
        UNCOMPARED,
    ),
    Column(
        "mcnemar_p",
        NUMBER,
        "probability",
        "two-sided exact p of McNemar's test that the change is chance",
        UNCOMPARED,
    ),
    Column(
        "agreement", NUMBER, "share", "images of the same top-1 class as the baseline's, right or wrong", UNCOMPARED
    ),
    Column(
        "verdict",
        TEXT,
        "",
        "whether the interval of `top1_change` shows a loss of more than the 1 % that the methodology accepts, none of "
        "more, or neither; `cannot tell` also where the baseline itself is no better than guessing",
        UNCOMPARED,
    ),
    Column("max_abs_score_diff", NUMBER, "score", "from `parity.csv`", "empty there"),
    STATUS,
    REASON,
    replace(
        WARNINGS,
        meaning="what makes the figures doubtful, such as a top-1 no better than guessing (binomial test at 0.001), "
        "and what to check",
    ),
    *several(
        "published_top1 published_top5",
        NUMBER,
        "share",
        "what the model's publisher states, on images of their choice (`published` in the model's entry)",
        "the entry has none",
    ),
    Column("published_source", TEXT, "", "where that stands", "the entry has none"),
    Column(
        "images_needed",
        WHOLE,
        "count",
        "about so many images would tell whether more than the accepted 1 % is lost, should `top1_change` stay what it "
        "is; rounded up to two digits",
        "no `baseline`, `images` tell it already, or even very many would hardly",
    ),
)

UNMEASURED = "nothing was measured"
IMPORT = Column("import_ms", NUMBER, "ms", "import of the framework", UNMEASURED)
LOAD = Column("load_ms", NUMBER, "ms", "opening the model", UNMEASURED)
FIRST_REQUEST = Column("first_request_ms", NUMBER, "ms", "the first request, before the warm-up", UNMEASURED)
PEAK_RSS = Column(
    "peak_rss_mib",
    NUMBER,
    "MiB",
    "peak resident memory of the process",
    "nothing was measured, or not told by the system",
)
MODEL_BYTES = Column("model_bytes", WHOLE, "bytes", "the converted model's files", UNMEASURED)
FPS = Column("fps", NUMBER, "images/s", "`batch_size` / `latency_p50_ms` · 1000", UNMEASURED)


def over_repetitions(column: Column, how: str) -> Column:
    """The column of a process's figure, as one of all repetitions."""
    return replace(column, meaning=f"{column.meaning}, {how}")


SINGLE = "fewer than two repetitions"
PERFORMANCE = (
    *RUN,
    *MEASURED_AT,
    THREADS,
    THREADS_IN_EFFECT,
    STATUS,
    REASON,
    Column(
        "latency_p50_ms",
        NUMBER,
        "ms",
        "*the* latency: each repetition's median request duration, geometric mean over the repetitions",
        UNMEASURED,
    ),
    *ends(
        "latency",
        "ms",
        "95 % interval of the same figure (Student's t on the logarithms of the repetitions' medians; Kalibera and "
        "Jones, 2013)",
        SINGLE,
        "_ms",
    ),
    *(
        Column(
            f"latency_p{percent}_ms",
            NUMBER,
            "ms",
            "percentile of the durations of all requests; each repetition counts alike",
            f"fewer than {least} requests",
        )
        for percent, least in ((90, 50), (95, 100), (99, 500))
    ),
    FPS,
    over_repetitions(IMPORT, "median over the repetitions"),
    over_repetitions(LOAD, "median over the repetitions"),
    over_repetitions(FIRST_REQUEST, "median over the repetitions"),
    over_repetitions(PEAK_RSS, "the largest of the repetitions"),
    MODEL_BYTES,
    Column("requests", WHOLE, "count", "measured requests in all repetitions", UNMEASURED),
    Column("repetitions", WHOLE, "count", "processes that the figures come from", UNMEASURED),
    WARNINGS,
    LAUNCH,
    Column(
        "pacer_ms",
        NUMBER,
        "ms",
        "what the pacer took beside the requests: geometric mean over the repetitions of each one's median",
        "nothing was measured, or in some repetition the framework's threads did not sleep when the pacer worked",
    ),
    Column(
        "latency_over_pacer",
        NUMBER,
        "ratio",
        "latency over what the pacer took beside it: geometric mean over the repetitions. For measurements that were "
        "taken at different times; the latency itself is not corrected",
        "as `pacer_ms`",
    ),
    *ends(
        "latency_over_pacer",
        "ratio",
        "its 95 % interval, as that of the latency",
        "as `pacer_ms`, and with fewer than two repetitions",
    ),
    *ends("fps", "images/s", "95 % interval of `fps`, which is that of the latency turned over", SINGLE),
)

SILENT = "no figures"  # of a process that left none
RESTLESS = "no figures, or the framework's threads did not sleep then"
MEASUREMENTS = (
    *RUN,
    *MEASURED_AT,
    Column("repetition", WHOLE, "", "number of the repetition, from 1", "never"),
    THREADS,
    THREADS_IN_EFFECT,
    STATUS,
    REASON,
    *several(
        "latency_p50_ms latency_mean_ms",
        NUMBER,
        "ms",
        "median and mean of the request durations; no outlier is dropped",
        SILENT,
    ),
    Column("latency_mad_ms", NUMBER, "ms", "median absolute deviation from the median", SILENT),
    *several("latency_min_ms latency_max_ms", NUMBER, "ms", "the shortest and the longest request", SILENT),
    replace(FPS, empty=SILENT),
    Column(
        "fps_wall",
        NUMBER,
        "images/s",
        "all images / the time from the start of the first request to the end of the last, less the pauses in which "
        "dliflow looks whether they are enough and the pacer works",
        SILENT,
    ),
    Column("requests", WHOLE, "count", "measured requests", SILENT),
    Column(
        "warmup_requests",
        WHOLE,
        "count",
        "requests before them, which are in the record and in no figure",
        SILENT,
    ),
    Column("warmup_ms", NUMBER, "ms", "time of these", SILENT),
    Column(
        "stopped_by",
        TEXT,
        "",
        "`requests`: all were made; `time`: the limit came first; `width`: the median was known well enough (adaptive "
        "mode)",
        SILENT,
    ),
    replace(IMPORT, empty=SILENT),
    replace(LOAD, empty=SILENT),
    replace(FIRST_REQUEST, empty=SILENT),
    Column(
        "warmup_stopped_by",
        TEXT,
        "",
        "`steady`: durations had come to rest; `requests`, `time`: a bound came first",
        SILENT,
    ),
    Column(
        "latency_half_width",
        NUMBER,
        "share",
        "half the 95 % interval of this process's own median / that median; autocorrelation is allowed for, other "
        "processes are not",
        "no figures, or too few requests",
    ),
    Column(
        "drift",
        NUMBER,
        "share",
        "median of the last quarter of requests / that of the first − 1",
        "no figures, or fewer than eight requests",
    ),
    Column(
        "drift_p",
        NUMBER,
        "probability",
        "p-value of a trend in the requests, autocorrelation allowed for",
        "no figures, or requests that are worth fewer than ten independent ones",
    ),
    replace(PEAK_RSS, empty="no figures, or not told by the system"),
    Column("inputs_mib", NUMBER, "MiB", "the input batches, part of `peak_rss_mib`", SILENT),
    replace(MODEL_BYTES, empty=SILENT),
    *several(
        "others_cpu_s steal_s",
        NUMBER,
        "s",
        "processor time of all other processes, and what a hypervisor gave to others, during the measured requests, "
        "over the processors that this one may use",
        "no figures, or not told by the system",
    ),
    *several(
        "involuntary_switches major_faults",
        WHOLE,
        "count",
        "times that this process was put off a processor; pages that it had to wait for from disk",
        SILENT,
    ),
    *several(
        "probe_before_ms probe_after_ms",
        NUMBER,
        "ms",
        "a fixed piece of work (SHA-256 of 2 MiB), before and after the requests: mean over the processors that it may "
        "use of their median; figures are never corrected by it",
        RESTLESS,
    ),
    *several("cpu hostname", TEXT, "", "the machine, as it was found", SILENT),
    Column("finished_at", TEXT, "ISO 8601, UTC", "when the record was written", SILENT),
    RECORD,
    Column("distinct_batches", WHOLE, "count", "batches over which the requests rotated", SILENT),
    Column(
        "inputs_exceed_cache",
        YES_NO,
        "",
        "whether all of them together are larger than the last-level caches of the processors that the process may use",
        "no figures, or not told by the system",
    ),
    LAUNCH,
    Column(
        "pacer_ms",
        NUMBER,
        "ms",
        "a fixed product of matrices on all processors, in a process of its own, before, between and after the "
        "requests: median",
        RESTLESS,
    ),
    Column(
        "pacer",
        TEXT,
        "",
        "what made it: numpy and BLAS of the orchestrator's environment; with others it is another piece of work",
        SILENT,
    ),
    Column(
        "process_ms",
        NUMBER,
        "ms",
        "from the start of the process to the writing of its record, to a clock tick; what `import_ms`, `load_ms`, "
        "`first_request_ms`, `warmup_ms` and the requests leave of it is dliflow's own",
        "no figures, or not told by the system",
    ),
    Column(
        "taken_share",
        NUMBER,
        "share",
        "of the processors' time that other processes and the hypervisor took during the measured requests; from 0.25 "
        "on, in the median of a configuration's processes, report and terminal call it doubtful and nothing the "
        "fastest",
        "no figures, or not told by the system",
    ),
)

UNRUN = "it did not run"
MACHINE_STATE = "it did not run, or all rounds found the same state"
COMPARISON = (
    *(MODEL, DEVICE, NODE, SCENARIO, BATCH_SIZE),
    Column(
        "purpose",
        TEXT,
        "",
        "`leaders`: the fastest ones against the first of them; `precision`: against FP32 of the same framework; "
        "`tuning`: against default launch parameters; `version`: against an older version of the framework "
        "(`compare.previous`)",
        UNRUN,
    ),
    Column(
        "first",
        TEXT,
        "",
        "framework-variant-precision-parameters, with `@version` where it is the older one",
        UNRUN,
    ),
    Column("first_version", TEXT, "", "the framework's version", UNRUN),
    Column("second", TEXT, "", "named like `first`", UNRUN),
    Column("second_version", TEXT, "", "the framework's version", UNRUN),
    Column("ratio", NUMBER, "ratio", "geometric mean over the groups, of each group the median of its rounds", UNRUN),
    *ends(
        "ratio",
        "ratio",
        "its 95 % interval (Student's t on the groups' log ratios)",
        "it did not run, or there was one group",
    ),
    Column(
        "verdict",
        TEXT,
        "",
        "`first is faster`, `second is faster`, or `no difference shown` where the interval holds 1. For this pair "
        "alone: the report's conclusion, which picks the best of several, asks for more",
        UNRUN,
    ),
    *several(
        "groups rounds",
        WHOLE,
        "count",
        "sets of fresh processes, and rounds of all of them together",
        UNRUN,
    ),
    Column(
        "stopped_by",
        TEXT,
        "",
        "`width`: all ratios were known well enough; `time`: the budget was spent",
        UNRUN,
    ),
    Column(
        "fast_ratio",
        NUMBER,
        "ratio",
        "the ratio in those rounds in which the machine was no slower than its median, by the pacer",
        MACHINE_STATE,
    ),
    *ends("fast", "ratio", "its 95 % interval", f"{MACHINE_STATE}, or there was one group"),
    Column("slow_ratio", NUMBER, "ratio", "the ratio in the other rounds", MACHINE_STATE),
    *ends("slow", "ratio", "its 95 % interval", f"{MACHINE_STATE}, or there was one group"),
    STATUS,
    REASON,
    replace(
        WARNINGS,
        meaning="what weakens the verdict: it depends on the state of the machine, the budget ended before the ratio "
        "was known, the machine's speed changed, others took processors; or what a member's own process told: page "
        "faults, threads on other processors than asked",
    ),
    replace(
        RECORD,
        meaning="path of the record, every burst in it, and what each member's process told of itself in each group",
    ),
    replace(
        LAUNCH,
        meaning="what of `launch` is not the default, as in performance.csv",
        empty="it did not run, or all are defaults",
    ),
    *several(
        "first_peak_rss_mib second_peak_rss_mib",
        NUMBER,
        "MiB",
        "peak resident memory of the member's own processes, the largest of the groups",
        "it did not run, or not told by the system",
    ),
    Column(
        "missing",
        TEXT,
        "",
        "who would have been chosen from, too, had nothing failed: names as in `first`; `warnings` tell why",
        "it did not run, or all were there",
    ),
    Column(
        "taken_share",
        NUMBER,
        "share",
        "of the processors' time that other processes and the hypervisor took, over all groups",
        "it did not run, or not told by the system",
    ),
)

ROUNDS = (
    *(MODEL, DEVICE, NODE, SCENARIO, BATCH_SIZE),
    *several(
        "group round turn",
        WHOLE,
        "",
        "numbers from 1: set of processes, round in it, place in the round's shuffled order",
        "never",
    ),
    Column("configuration", TEXT, "", "as `first` and `second` in comparison.csv", "never"),
    Column("latency_p50_ms", NUMBER, "ms", "median of the burst's requests", "never"),
    Column("requests", WHOLE, "count", "of the burst", "never"),
    Column(
        "probe_ms",
        NUMBER,
        "ms",
        "SHA-256 of 2 MiB right before the burst: mean over all processors of their median",
        "not told by the system",
    ),
    Column(
        "pacer_ms",
        NUMBER,
        "ms",
        "product of two float32 matrices of 384 × 384 on all cores: median over the round",
        "never",
    ),
    replace(RECORD, meaning="path of the comparison's record from the working directory"),
)

TABLES: dict[str, tuple[Column, ...]] = {
    "parity": PARITY,
    "accuracy": ACCURACY,
    "performance": PERFORMANCE,
    "measurements": MEASUREMENTS,
    "comparison": COMPARISON,
    "rounds": ROUNDS,
}


def names(table: str) -> list[str]:
    """The columns of a table, in its order."""
    return [column.name for column in TABLES[table]]
