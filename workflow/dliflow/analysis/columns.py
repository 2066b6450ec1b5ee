"""The columns of all tables, declared once: frames, what the report reads and docs/tables.md are made of this.

Names, kinds and units are an interface: columns are only ever added, at a table's end.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from dliflow.study import plan

TEXT, WHOLE, NUMBER, YES_NO = "text", "whole number", "number", "yes or no"
MIXED = "varies"  # the unit of a column in which each row has its own

# What identifies a configuration of a model, and one where it is measured; what one latency figure belongs to, what
# shares a section of the report, and what one comparison belongs to.
CONFIGURATION = plan.IDENTITY
CALLED = ("framework", "api", "variant", "precision")  # what a baseline is called by
MEASURED = (*CONFIGURATION, "node", "scenario", "parameters")
POINT = (*MEASURED, "batch_size")
SETTING = plan.SETTING
COMPARED = (*SETTING, "batch_size")


# What spreadsheets take for the beginning of a formula, which can be in a model's file that others have made.
FORMULA = ("=", "+", "-", "@", "\t", "\r")
QUOTE = "'"


def inert(text: str | None) -> str | None:
    """A text as a table has it: behind an apostrophe where a spreadsheet would take it for a formula."""
    return QUOTE + text if isinstance(text, str) and text.lstrip(QUOTE).startswith(FORMULA) else text


def meant(text: str) -> str:
    """The text that stands in a table as `inert` makes it."""
    return text[1:] if text.startswith(QUOTE) and text.lstrip(QUOTE).startswith(FORMULA) else text


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


MODEL = Column(
    "model", TEXT, "", "name of the file in `config/models`, or of a known network, with hyphens for slashes", "never"
)
FRAMEWORK = Column(
    "framework",
    TEXT,
    "",
    "as the config names it: a file in `workflow/dliflow/frameworks`, perhaps with `@` and a version",
    "never",
)
API = Column("api", TEXT, "", "`python` or `cpp`: in which language the framework was called", "never")
VERSION = Column("framework_version", TEXT, "", "the version that ran, as the framework tells", "nothing ran")
VARIANT = Column("variant", TEXT, "", "way of running the framework; `default` is the usual one", "never")
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

NODE = Column("node", TEXT, "", "what the machine is called (`nodes` in the config)", "never")
CPU = Column("cpu", TEXT, "", "the model of the CPU, as it was found", "never")
SCENARIO = Column(
    "scenario", TEXT, "", "`latency`: one request after another; `throughput`: several in flight at a time", "never"
)
PARAMETERS = Column(
    "parameters",
    TEXT,
    "",
    "launch settings: `default`, or `tuned`, which were looked for and shown to be faster",
    "never",
)
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
WARNINGS = Column(
    "warnings", TEXT, "", "what weakens the figures, and what to do about it; ` · ` between two", "nothing does"
)
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
    RECORD,
    API,
)

UNEVALUATED, UNCOMPARED = "nothing was evaluated", "no `baseline`"
UNBOUNDED = "no `unlabelled_dataset`, or `unlabelled_reason` tells why"
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
        "what the next columns compare with, `framework-api-variant-precision`: FP32 of the same framework, API and "
        "variant; for FP32, that of the reference runtime, whose first variant in Python is the reference itself. "
        "Where that is not `ok` or saw other images, the next of: FP32 in Python, of another variant, of the reference "
        "runtime",
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
        "whether the interval of `top1_change` shows a loss of more than the 1 % that the methodology accepts, this "
        "or `loss_bound` none of more, or neither; `cannot tell` also where the baseline itself is no better than "
        "guessing",
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
        "about so many labelled images would tell whether more than the accepted 1 % is lost, should `top1_change` "
        "stay what it is; rounded up to two digits. Where `unlabelled_agreement` is known, neither the change nor the "
        "spread is taken to be larger than what changes its class",
        "no `baseline`, it is told already, or even very many would hardly tell",
    ),
    RECORD,
    Column(
        "unlabelled_dataset",
        TEXT,
        "",
        "name of the file in `config/datasets` whose images need no labels (`agreement.dataset`)",
        "no `baseline`, or there is no such dataset in the study",
    ),
    Column("unlabelled_images", WHOLE, "count", "images of it that this row and its baseline were run on", UNBOUNDED),
    Column(
        "unlabelled_effective",
        NUMBER,
        "count",
        "how many independent images they are worth: crops of one photograph are alike",
        UNBOUNDED,
    ),
    Column(
        "unlabelled_agreement",
        NUMBER,
        "share",
        "`unlabelled_images` of the same top-1 class as the baseline's, right or wrong",
        UNBOUNDED,
    ),
    *ends("unlabelled_agreement", "share", "Wilson's interval of it, of `unlabelled_effective` images", UNBOUNDED),
    Column(
        "loss_bound",
        NUMBER,
        "share",
        "1 − `unlabelled_agreement_ci_low`: so much of top-1 is lost at most, since only where the class changes can "
        "anything be lost",
        UNBOUNDED,
    ),
    Column(
        "unlabelled_reason",
        TEXT,
        "",
        "why there is no agreement on images without labels",
        "there is, or `unlabelled_dataset` is empty",
    ),
    Column(
        "unlabelled_needed",
        WHOLE,
        "count",
        "about so many images without labels would tell that no more than the accepted 1 % is lost, should the same "
        "share of them change its class; rounded up to two digits",
        "no `loss_bound`, it is told already, or so many change their class that only labels can tell",
    ),
    API,
)

SETTINGS = Column(
    "settings",
    TEXT,
    "",
    'launch settings that are not the framework\'s default ones, as JSON such as `{"threads": 2}`; `{}` where all are. '
    "`threads` and the framework's own `options`",
    "",
)
NOT_TUNED = "`parameters` is not `tuned`"
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
ENERGY = Column(
    "energy_mj",
    NUMBER,
    "mJ",
    "what the processor packages (RAPL), or on an NVIDIA GPU that card (NVML), took for a request, with all else that "
    "ran there and what they take when idle",
    "nothing was measured, the machine does not tell (`./dliflow doctor`), or bursts are too short for a GPU's counter",
)
FPS = Column("fps", NUMBER, "images/s", "`batch_size` / `latency_p50_ms` · 1000", UNMEASURED)


def over_sessions(column: Column, how: str) -> Column:
    """The column of one session's figure, as one of all sessions of a point."""
    return replace(column, meaning=f"{column.meaning}, {how}")


ANCHOR = "the anchor, a fixed small network in a fixed runtime"
ANCHOR_THREADS = Column(
    "anchor_threads",
    WHOLE,
    "count",
    "its compute threads: as many as what is measured, of the usable processors; 0: it ran on the GPU",
    "",
)
SINGLE = "fewer than two sessions"
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
        "*the* latency of the methodology, as measured: each session's median request duration, geometric mean over "
        "the sessions",
        UNMEASURED,
    ),
    *ends(
        "latency",
        "ms",
        "95 % interval of the same figure (Student's t on the logarithms of the sessions' medians, widened for "
        "sessions of one process being alike)",
        SINGLE,
        "_ms",
    ),
    *(
        Column(
            f"latency_p{percent}_ms",
            NUMBER,
            "ms",
            "percentile of the durations of all requests; each session counts alike",
            f"fewer than {least} requests",
        )
        for percent, least in ((90, 50), (95, 100), (99, 500))
    ),
    FPS,
    over_sessions(IMPORT, "median over the groups"),
    over_sessions(LOAD, "median over the sessions"),
    over_sessions(FIRST_REQUEST, "median over the sessions"),
    over_sessions(PEAK_RSS, "the largest of the sessions"),
    MODEL_BYTES,
    Column("requests", WHOLE, "count", "measured requests in all sessions", UNMEASURED),
    WARNINGS,
    LAUNCH,
    *ends("fps", "images/s", "95 % interval of `fps`, which is that of the latency turned over", SINGLE),
    *several("latency_mean_ms latency_min_ms", NUMBER, "ms", "mean and least of all requests", UNMEASURED),
    Column(
        "latency_reference_ms",
        NUMBER,
        "ms",
        f"the latency at the node's reference state: what it would be if the machine were always as fast as {ANCHOR}, "
        "found it in the median of the sweep. It rests on the sessions of the sweep, and of rounds; "
        "near that state they count for more. Rows measured at "
        "different times are compared by this. Page and terminal quote it of the fastest in rounds, and of the others "
        "there that times their ratio in comparison.csv",
        UNMEASURED,
    ),
    *ends("latency_reference", "ms", "its 95 % interval", SINGLE, "_ms"),
    Column(
        "state_slope",
        NUMBER,
        "ratio",
        "by how many per cent the latency rises when the anchor's does by one for a while: near 1 for what slows down "
        "like it, near 0 for what the machine's state does not touch; one for all batch sizes of a configuration",
        UNMEASURED,
    ),
    Column("anchor_ms", NUMBER, "ms", f"what {ANCHOR}, took beside the requests: median", UNMEASURED),
    replace(ANCHOR_THREADS, empty=UNMEASURED),
    Column(
        "reference_anchor_ms",
        NUMBER,
        "ms",
        "the reference state: its median over the node's sweep, with as many threads",
        UNMEASURED,
    ),
    *several("groups sessions", WHOLE, "count", "processes, and openings of the model, behind the figures", UNMEASURED),
    over_sessions(ENERGY, "median over the sessions"),
    replace(SETTINGS, empty=UNMEASURED),
    Column(
        "tuned_ratio",
        NUMBER,
        "ratio",
        "latency with these settings over that with the default ones, measured together in groups that had no part in "
        "choosing them",
        NOT_TUNED,
    ),
    *ends("tuned_ratio", "ratio", "its 95 % interval", NOT_TUNED),
    API,
    replace(CPU, empty=UNMEASURED),
    *several("kernel microcode", TEXT, "", "of the machine, as they were found", f"{UNMEASURED}, or not told"),
)

SILENT = "no figures"  # of a session that left none
MEASUREMENTS = (
    *RUN,
    *MEASURED_AT,
    Column("group", WHOLE, "", "number of the group: a process of its own, from 1", "never"),
    Column("session", WHOLE, "", "number of the opening of this batch size in the process, from 1", SILENT),
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
    Column("anchor_ms", NUMBER, "ms", f"what {ANCHOR}, took before, between and after the bursts: median", SILENT),
    replace(ANCHOR_THREADS, empty=SILENT),
    Column("requests", WHOLE, "count", "measured requests", SILENT),
    Column("rounds", WHOLE, "count", "bursts of requests, each between two of the anchor", SILENT),
    Column(
        "warmup_requests",
        WHOLE,
        "count",
        "requests before them, which are in the record and in no figure",
        SILENT,
    ),
    Column("warmup_ms", NUMBER, "ms", "time of these", SILENT),
    Column(
        "warmup_stopped_by",
        TEXT,
        "",
        "`steady`: durations had come to rest; `requests`, `time`: a bound came first",
        SILENT,
    ),
    replace(IMPORT, empty=SILENT, meaning="import of the framework, once in a group"),
    replace(LOAD, empty=SILENT),
    replace(FIRST_REQUEST, empty=SILENT),
    replace(PEAK_RSS, empty="no figures, or not told by the system"),
    Column("inputs_mib", NUMBER, "MiB", "the inputs, which all processes of a job share", SILENT),
    replace(MODEL_BYTES, empty=SILENT),
    *several(
        "involuntary_switches major_faults minor_faults",
        WHOLE,
        "count",
        "times that this process was put off a processor during its bursts; pages that it had to wait for from disk, "
        "and from memory",
        SILENT,
    ),
    replace(CPU, empty=SILENT),
    Column("hostname", TEXT, "", "the machine's name, as it was found", SILENT),
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
    Column("anchor", TEXT, "", "the anchor's runtime and digest; with another one it is another piece of work", SILENT),
    Column("started_at", TEXT, "ISO 8601, UTC", "when the session was opened", SILENT),
    Column("wall_ms", NUMBER, "ms", "the whole session: opening, warm-up, bursts and those of the anchor", SILENT),
    *several(
        "others_cpu_s steal_s",
        NUMBER,
        "s",
        "processor time of all other processes, and what a hypervisor gave to others, during the group, over the "
        "processors that this one may use",
        "no figures, or not told by the system",
    ),
    Column("group_ms", NUMBER, "ms", "the whole group, from the start of its processes to their end", SILENT),
    Column(
        "taken_share",
        NUMBER,
        "share",
        "of the processors' time that other processes and the hypervisor took during the group; from 0.25 on, in the "
        "median of a configuration's groups, report and terminal call it doubtful and nothing the fastest",
        "no figures, or not told by the system",
    ),
    replace(ENERGY, empty="no figures, or the machine does not tell"),
    API,
    *several("kernel microcode", TEXT, "", "of the machine, as they were found", f"{SILENT}, or not told"),
)

UNRUN = "it did not run"
COMPARISON = (
    *(MODEL, DEVICE, NODE, SCENARIO, replace(BATCH_SIZE, empty="batch sizes were compared")),
    Column(
        "purpose",
        TEXT,
        "",
        "`leaders`: the fastest ones against the first of them; `precision`: against FP32 of the same framework; "
        "`tuning`: against default launch parameters; `api`: C++ against Python; `version`: against an older version "
        "of the framework; `batch size`: the fastest of each batch size against that of the most images per second",
        UNRUN,
    ),
    Column(
        "first",
        TEXT,
        "",
        "framework-api-variant-precision-parameters, with `@version` where it is the older one, and with `:` and the "
        "batch size where batch sizes were compared",
        UNRUN,
    ),
    Column("first_version", TEXT, "", "the framework's version", UNRUN),
    Column("second", TEXT, "", "named like `first`", UNRUN),
    Column("second_version", TEXT, "", "the framework's version", UNRUN),
    Column(
        "ratio",
        NUMBER,
        "ratio",
        "latency of the first over that of the second, at the reference state; of batch sizes: time of "
        "an image. Geometric mean over the groups",
        UNRUN,
    ),
    *ends(
        "ratio",
        "ratio",
        "its 95 % interval (Student's t on the groups' log ratios); with three leaders or more, or as many batch "
        "sizes, wider: those of any two of them hold at once in 95 of 100 comparisons",
        "it did not run, or there was one group",
    ),
    Column(
        "verdict",
        TEXT,
        "",
        "`first is faster`, `second is faster`, or `no difference shown` where the interval holds 1",
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
        "`decided`: each pair was known well enough or clearly decided; `time`: the budget was spent",
        UNRUN,
    ),
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
    Column(
        "state_slope",
        NUMBER,
        "ratio",
        "by how many per cent the ratio rises when the anchor's time does by one: 0 where the machine's state makes no "
        "difference to who is faster",
        UNRUN,
    ),
    Column(
        "reference_anchor_ms",
        NUMBER,
        "ms",
        "the state at which the ratio is read off: the anchor's median over the node's sweep, with as many threads; "
        "over these bursts where the sweep has none with as many",
        UNRUN,
    ),
    Column("sessions", WHOLE, "count", "openings of the models in all groups", UNRUN),
    Column(
        "groups_needed",
        WHOLE,
        "count",
        "about so many more groups would decide this pair, should the ratio stay what it is; 0: it is decided",
        "it did not run, there was one group, or even very many would hardly",
    ),
    Column("group_s", NUMBER, "s", "what a group took, in the median", UNRUN),
)

ROUNDS = (
    *(MODEL, DEVICE, NODE, SCENARIO, replace(BATCH_SIZE, meaning="images in a request of this burst")),
    *several(
        "group session round turn",
        WHOLE,
        "",
        "numbers from 1: set of processes, opening in it, round in that, place in the round's shuffled order",
        "never",
    ),
    Column("configuration", TEXT, "", "as `first` and `second` in comparison.csv", "never"),
    Column("latency_p50_ms", NUMBER, "ms", "median of the burst's requests", "never"),
    Column("requests", WHOLE, "count", "of the burst", "never"),
    Column("anchor_ms", NUMBER, "ms", "the anchor right before and after it: geometric mean of both medians", "never"),
    replace(
        ANCHOR_THREADS,
        meaning="its compute threads: as many as the most that a member uses, of the usable processors",
        empty="never",
    ),
    replace(RECORD, meaning="path of the comparison's record from the working directory"),
    Column("started_at", TEXT, "ISO 8601, UTC", "when the session was opened", "never"),
)

UNPROFILED = "nothing was profiled"
PROFILE = (
    *RUN,
    NODE,
    BATCH_SIZE,
    STATUS,
    REASON,
    Column("type", TEXT, "", "what the operator does, as the framework calls it", UNPROFILED),
    Column("kind", TEXT, "", "the same in whatever precision: `Conv` for `QLinearConv` and `FusedConv`", UNPROFILED),
    Column(
        "name",
        TEXT,
        "",
        "the node in the framework's own graph",
        "nothing was profiled, or the profiler tells of kinds only",
    ),
    Column(
        "kernel",
        TEXT,
        "",
        "what computed it, as the framework tells: OpenVINO's `exec_type`, ONNX Runtime's provider and first input's "
        "type, PyTorch's innermost operator that does all the work",
        "nothing was profiled, or it is not told",
    ),
    Column("int8", YES_NO, "", "whether it computed on integers of 8 bits", "nothing was profiled, or it is not told"),
    Column("calls", WHOLE, "count", "in a request", UNPROFILED),
    Column(
        "median_us",
        NUMBER,
        "µs",
        "all of its calls in a request: median over the requests, which a stall of the machine does not move",
        UNPROFILED,
    ),
    Column("share", NUMBER, "share", "of these medians of all operators", UNPROFILED),
    Column("operators_ms", NUMBER, "ms", "these medians of all operators together", UNPROFILED),
    Column("profiled_ms", NUMBER, "ms", "a request with the profiler on: median", UNPROFILED),
    Column(
        "latency_ms",
        NUMBER,
        "ms",
        "a request without it, in the same process and in turns with these: median. For the latency of a configuration "
        "see performance.csv",
        UNPROFILED,
    ),
    Column(
        "coverage",
        NUMBER,
        "ratio",
        "`operators_ms` / `latency_ms`: what is missing to 1 goes by outside of the operators, or in stalls of the "
        "machine, which hit another operator each time; above 1 the profiler itself costs time",
        UNPROFILED,
    ),
    Column("requests", WHOLE, "count", "requests with the profiler on, after the warm-up", UNPROFILED),
    Column("profiler", TEXT, "", "what told", UNPROFILED),
    RECORD,
    API,
)

DISTRIBUTIONS = (
    *(MODEL, FRAMEWORK, VARIANT, PRECISION, DEVICE),
    *MEASURED_AT,
    Column("requests", WHOLE, "count", "measured requests in all sessions", "never"),
    Column("low_ms", NUMBER, "ms", "the shortest request, where the first bin begins", "never"),
    Column("bin_ms", NUMBER, "ms", "width of a bin", "never"),
    Column("counts", TEXT, "", "requests in each bin, whole numbers with spaces between them", "never"),
    Column(
        "beyond",
        WHOLE,
        "count",
        "requests longer than the last bin, which ends at the longest one, or six interquartile ranges above the upper "
        "quartile",
        "never",
    ),
    Column("latency_max_ms", NUMBER, "ms", "the longest request", "never"),
    API,
)

BUDGETED = "no `p99_budget_ms`, or no `latency_p99_ms` in an `ok` row"
THROUGHPUT = (
    *RUN,
    *MEASURED_AT,
    Column("in_flight", WHOLE, "count", "requests in flight at any time", "never"),
    Column(
        "mode",
        TEXT,
        "",
        "how: `queue`: the framework's own queue of requests; `threads`: calls of one session from as many threads; "
        "`sessions`: threads with a session each; `processes`: processes with a session each, on cores of their own",
        UNMEASURED,
    ),
    THREADS,
    replace(THREADS_IN_EFFECT, meaning="of all requests in flight together, as the framework itself tells"),
    STATUS,
    REASON,
    Column(
        "images_per_s",
        NUMBER,
        "images/s",
        "images completed in a second of wall time while all requests were in flight, at the node's reference state "
        "as in `performance.csv`: geometric mean over the sessions",
        UNMEASURED,
    ),
    *ends("images_per_s", "images/s", "its 95 % interval", SINGLE),
    *(
        Column(
            f"latency_p{percent}_ms",
            NUMBER,
            "ms",
            "percentile of what requests took under that load, as measured; each session counts alike",
            f"fewer than {least} requests",
        )
        for percent, least in ((50, 10), (90, 50), (99, 500))
    ),
    Column(
        "knee",
        YES_NO,
        "",
        "whether it is the smallest number in flight whose interval reaches 95 % of the most images per second of the "
        "configuration at this batch size",
        NOT_OK,
    ),
    Column("p99_budget_ms", NUMBER, "ms", "the latency that 99 of 100 requests may take (`throughput.p99_ms`)", "none"),
    Column("within_budget", YES_NO, "", "whether `latency_p99_ms` is no more", BUDGETED),
    Column(
        "most_within_budget",
        YES_NO,
        "",
        "whether it gives the most images per second of all that are, of the same model, device and node",
        BUDGETED,
    ),
    Column("images_per_s_measured", NUMBER, "images/s", "as measured, in whatever state the machine was", UNMEASURED),
    *ends("images_per_s_measured", "images/s", "its 95 % interval", SINGLE),
    Column("requests", WHOLE, "count", "requests behind the percentiles: wholly while all were in flight", UNMEASURED),
    Column("wall_s", NUMBER, "s", "in which all requests were in flight, over all bursts", UNMEASURED),
    *several("groups sessions", WHOLE, "count", "processes, and openings of the model, behind the figures", UNMEASURED),
    over_sessions(replace(LOAD, meaning="opening the model, for all of them"), "median over the sessions"),
    Column(
        "peak_rss_mib",
        NUMBER,
        "MiB",
        "peak resident memory, of all processes together; the largest of the sessions",
        PEAK_RSS.empty,
    ),
    LAUNCH,
    WARNINGS,
    Column(
        "state_slope",
        NUMBER,
        "ratio",
        "by how many per cent the time for an image rises when the anchor's does by one for a while",
        UNMEASURED,
    ),
    Column("anchor_ms", NUMBER, "ms", f"what {ANCHOR}, took beside the requests: median", UNMEASURED),
    replace(ANCHOR_THREADS, empty=UNMEASURED),
    Column(
        "reference_anchor_ms",
        NUMBER,
        "ms",
        "the reference state: its median over the node's sweep, with as many threads; over these bursts where the "
        "sweep has none with as many",
        UNMEASURED,
    ),
    replace(RECORD, meaning="path of the record of the first group, or of the first that failed"),
    API,
)

NOT_THE_WINNER = "not the race's winner, or that was the default"
TUNING = (
    *RUN,
    *MEASURED_AT,
    Column("candidate", TEXT, "", "its settings in short; `default` those of the study", "there was no race"),
    replace(SETTINGS, empty="there was no race"),
    Column(
        "outcome",
        TEXT,
        "",
        "`chosen`: shown to be faster than the default, and measured as `tuned`; `not confirmed`: it won the race, and "
        "was not; `slower`, `not the fastest`: it was left behind, and it was not told apart when the race ended; "
        "`other scores`, `skipped`, `failed`: it left for that; `default`",
        "there was no race",
    ),
    Column("why", TEXT, "", "why it left", "it did not leave"),
    Column(
        "race_ratio",
        NUMBER,
        "ratio",
        "latency over that of the default settings, in the race. Whoever wins was lucky too, so of the winner this is "
        "too low: what it gained is `ratio`",
        "it is the default, or had no burst",
    ),
    *ends(
        "race_ratio",
        "ratio",
        "the race's own 95 % interval (Student's t), of one candidate looked at alone",
        "it is the default, or had fewer than two groups",
    ),
    Column("race_groups", WHOLE, "count", "groups of the race that it was in", "it is the default, or had no burst"),
    Column(
        "ratio",
        NUMBER,
        "ratio",
        "latency of the winner over that of the default, measured together in fresh groups that had no part in "
        "choosing it",
        NOT_THE_WINNER,
    ),
    *ends("ratio", "ratio", "its 95 % interval", NOT_THE_WINNER),
    Column("groups", WHOLE, "count", "of that", NOT_THE_WINNER),
    Column("stopped_by", TEXT, "", "what ended it: `decided` or `time`", NOT_THE_WINNER),
    *several(
        "score_diff score_distance score_agreement",
        NUMBER,
        "ratio",
        "of settings that may change arithmetic, against the default's scores: largest difference as a share of the "
        "largest score, distance, and share of images with the same top-1 class, as in parity.csv",
        "they change no arithmetic, or it had left",
    ),
    Column("tried", WHOLE, "count", "candidates of the race, the default among them", "there was no race"),
    Column(
        "valid",
        WHOLE,
        "count",
        "settings that are declared to be worth trying on this machine; where they are too many to race, those raced "
        "that change one thing, and others that were proposed",
        "there was no race",
    ),
    Column(
        "race_stopped_by",
        TEXT,
        "",
        "`one left` beside the default, `groups`: after its last group, or `time`",
        "there was no race",
    ),
    Column("seconds", NUMBER, "s", "of race and confirmation together", "there was no race"),
    STATUS,
    REASON,
    RECORD,
    API,
    Column("proposed", YES_NO, "", "whether an optimiser proposed it, when told of others", "there was no race"),
    WARNINGS,
)

NOT_LOADED, NOT_EVALUATED = "not of requests in flight together", "not of quality"
IN_WORDS = "`kind` is `as told`"
CHANGES = (
    *(column for column in RUN if column is not VERSION),
    *(replace(column, empty="of quality") for column in MEASURED_AT),
    Column("in_flight", WHOLE, "count", "requests in flight at any time", NOT_LOADED),
    Column("dataset", TEXT, "", "name of the file in `config/datasets`", NOT_EVALUATED),
    Column(
        "old_framework",
        TEXT,
        "",
        "whose row the old one is: the same framework before its upgrade in place, or `framework` with another version "
        "that stands beside it in the study",
        "never",
    ),
    *several(
        "old_version new_version", TEXT, "", "the versions that ran, as the framework itself tells", "it did not run"
    ),
    Column(
        "quantity",
        TEXT,
        "",
        "`latency` (at the reference state), `throughput`, `load`, `first_request`, `peak_rss`, `model_bytes`, `top1`, "
        "`agreement` (with the baseline, of images without labels), `same_class` (images that get the same class in "
        "both versions), `status`, `warnings`",
        "never",
    ),
    Column("unit", TEXT, "", "of `old` and `new`", IN_WORDS),
    *several("old new", NUMBER, MIXED, "both figures, in `unit`; each of its own measurement", IN_WORDS),
    Column("kind", TEXT, "", "what `change` is: `new / old`, `new - old`, or `as told` for what is words", "never"),
    Column(
        "change",
        NUMBER,
        MIXED,
        "how they differ, as `method` had it: in rounds not the ratio of `old` and `new`, which are of other hours",
        f"{IN_WORDS}, or `warnings` tells why they may not be set against each other",
    ),
    *ends("change", MIXED, "its 95 % interval", "no `change`, or one group alone"),
    Column(
        "verdict",
        TEXT,
        "",
        "`shown …`: measured together, on the same images, or exact, and the interval tells; `likely …`: it tells, of "
        "what was measured at different times; `no difference shown`; `cannot tell`; `the same`",
        "never",
    ),
    Column("measured_together", YES_NO, "", "whether both took turns in rounds (`comparison.csv`)", "never"),
    Column("method", TEXT, "", "how the change was had", "never"),
    Column("images", WHOLE, "count", "images behind it", "it rests on none, or on each side's own"),
    *several("old_told new_told", TEXT, "", "status with its reason, or warnings", "`kind` is another one, or none"),
    WARNINGS,
    API,
)

OF_ONE = "one of the two has no interval"
NODES = (
    *RUN,
    *MEASURED_AT,
    Column("against", TEXT, "", "the first node of the study that has figures for the same", "never"),
    replace(CPU, empty="not told"),
    Column("against_cpu", TEXT, "", "the CPU of that node", "not told"),
    Column("against_version", TEXT, "", "the framework's version there", "never"),
    Column("latency_reference_ms", NUMBER, "ms", "the latency on this node, at its own reference state", "never"),
    Column("against_reference_ms", NUMBER, "ms", "the latency on that node, at its own reference state", "never"),
    Column("ratio", NUMBER, "ratio", "the former over the latter: below 1 this node is faster", "never"),
    *ends("ratio", "ratio", "its 95 % interval, from those of both latencies", OF_ONE),
    Column("latency_p50_ms", NUMBER, "ms", "the latency on this node, as measured", "never"),
    Column("against_p50_ms", NUMBER, "ms", "the latency on that node, as measured", "never"),
    Column("measured_ratio", NUMBER, "ratio", "the former over the latter", "never"),
    *ends("measured_ratio", "ratio", "its 95 % interval, from those of both latencies", OF_ONE),
    Column(
        "anchor_ratio",
        NUMBER,
        "ratio",
        "what the anchor takes at this node's reference state over what it takes at that node's",
        "it has other numbers of threads on them, and so other work",
    ),
    Column(
        "verdict",
        TEXT,
        "",
        "`faster` or `slower`, where the intervals of `ratio` and of `measured_ratio` both say so; else `no difference "
        "shown`",
        "never",
    ),
    API,
)

TABLES: dict[str, tuple[Column, ...]] = {
    "parity": PARITY,
    "accuracy": ACCURACY,
    "performance": PERFORMANCE,
    "measurements": MEASUREMENTS,
    "comparison": COMPARISON,
    "rounds": ROUNDS,
    "profile": PROFILE,
    "distributions": DISTRIBUTIONS,
    "throughput": THROUGHPUT,
    "tuning": TUNING,
    "changes": CHANGES,
    "nodes": NODES,
}


def names(table: str) -> list[str]:
    """The columns of a table, in its order."""
    return [column.name for column in TABLES[table]]
