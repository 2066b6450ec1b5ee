"""Where each result lies. The rules' outputs and the plan both come from here.

Snakemake tracks small files only: a big payload (a folder of model files, an array) lies beside a manifest of the
same name that holds its checksums, so that whether something changed is decided by content and not by date.
"""

from __future__ import annotations

RESULTS = "results"

# Inputs: manifests beside the folder of what was fetched, or beside the array of what was prepared.
DOWNLOADS = "resources/downloads/files"  # as they came, before they are unpacked; files put there by hand count too
MODEL_FILES = "resources/downloads/models/{model}.json"
DATASET_FILES = "resources/downloads/datasets/{dataset}.json"
LABEL_FILES = "resources/downloads/labels/{dataset}.json"

# What libraries told of known networks: entries as `config/models` has them.
KNOWN = f"{RESULTS}/known/{{model}}-{{digest}}.yaml"

# Image lists: of all images, and of the subsets that quality and speed are measured on; the arrays of the subsets.
IMAGES = f"{RESULTS}/data/{{dataset}}/images.csv"
SUBSET = f"{RESULTS}/data/{{dataset}}/{{subset}}.csv"
SUBSET_MANIFEST = f"{SUBSET}.json"
EVALUATION_IMAGES = SUBSET.replace("{subset}", "evaluation")
PERFORMANCE_IMAGES = SUBSET.replace("{subset}", "performance")
ARRAY = f"{RESULTS}/data/{{dataset}}/{{spec}}.json"
PERFORMANCE_ARRAY = f"{RESULTS}/data/{{dataset}}/performance/{{spec}}.json"
CALIBRATION_IMAGES = f"{RESULTS}/calibration/images.csv"
CALIBRATION_ARRAY = f"{RESULTS}/calibration/{{spec}}.json"

# Models: manifests beside the folder of model files.
ANCHOR = f"{RESULTS}/anchor/network.json"
INTERCHANGE = f"{RESULTS}/models/{{model}}/interchange.json"
REFERENCE = f"{RESULTS}/models/{{model}}/reference.json"
CONVERTED = f"{RESULTS}/models/{{model}}/{{framework}}-{{precision}}-{{converter}}.json"

# Programs in C++: a manifest beside the folder with the binary; they serve all models.
BUILT = f"{RESULTS}/cpp/{{framework}}-{{environment}}.json"
# What some are linked with: a manifest beside the folder of a library that was compiled, for all studies.
LIBRARY = f"{RESULTS}/cpp/{{framework}}-library-{{digest}}.json"

# Records. The digests of the environments that made them stand in the paths of models (`converter`) and of records
# (`environment`): after an upgrade those of the old version are still there, to be set against the new ones.
PARITY = f"{RESULTS}/parity/{{model}}/{{framework}}-{{api}}-{{variant}}-{{precision}}-{{device}}-{{environment}}.json"
ACCURACY = PARITY.replace("/parity/{model}/", "/accuracy/{model}/{dataset}/")
SWEEP = (
    f"{RESULTS}/sweep/{{node}}/{{model}}/{{framework}}-{{api}}-{{variant}}-{{precision}}-{{device}}"
    "-{parameters}-{environment}/group{group}.json"
)
THROUGHPUT = SWEEP.replace("/sweep/", "/throughput/")
TUNE = (
    f"{RESULTS}/tune/{{node}}/{{model}}/{{framework}}-{{api}}-{{variant}}-{{precision}}-{{device}}"
    "-{environment}/batch{batch_size}.json"
)
COMPARE = f"{RESULTS}/compare/{{node}}/{{model}}/{{device}}-batch{{batch_size}}.json"
PROFILE = TUNE.replace("/tune/", "/profile/")
NODE = f"{RESULTS}/nodes/{{node}}.json"  # which machine has measured under a node's name
LEASE = f"{RESULTS}/logs/nodes/{{node}}.lease"  # of the allocation that holds it; its own output lies beside
SIZES = "_sizes"  # in place of a batch size: the comparison of all of them
PARTIALS = f"{RESULTS}/logs/partial.json"  # which records without what failed hold for the last run
INTERPRETER = f"{RESULTS}/envs/conda/{{framework}}.json"  # where the Python of an environment that conda made is

# Images of containers: what they are built of, and the one in which all jobs run with `--sdm apptainer`.
CONTAINERS = f"{RESULTS}/containers"
IMAGE = f"{CONTAINERS}/all.sif"

# What is derived from the records.
TABLES = {
    name: f"{RESULTS}/tables/{name}.csv"
    for name in (
        *("accuracy", "parity", "performance", "measurements", "comparison", "rounds", "tuning", "throughput"),
        *("distributions", "profile", "changes", "nodes"),
    )
}
ABOUT = f"{RESULTS}/tables/about.json"  # what the study asked for, and of what models and images
PLOTS = f"{RESULTS}/plots"
PLOT_FILES = [
    f"{PLOTS}/{name}.{kind}"
    for name in ("ranking", "fps", "accuracy", "tradeoff", "comparison", "machine", "throughput")
    for kind in ("svg", "png")
]
EXPORT = f"{RESULTS}/export"  # for other programs; figures/ in it has as many as the study has settings
EXPORTS = [
    *(f"{EXPORT}/{name}.parquet" for name in TABLES),
    f"{EXPORT}/study.xlsx",
    *(f"{EXPORT}/{name}.{kind}" for name in ("ranking", "accuracy") for kind in ("md", "tex")),
]
REPORT = f"{RESULTS}/report/index.html"
SUMMARY = f"{RESULTS}/report/summary.txt"
PROFILES = f"{RESULTS}/report/profiles.txt"  # what the profiles say, for the terminal
SUMMARY_DATA = f"{RESULTS}/report/summary.json"
RUN = f"{RESULTS}/logs/run.json"
CODE = "results/logs/code.json"  # what was learned of our own code; a plain text, whose value counts where it is used
STUDY = f"{RESULTS}/logs/study-{{digest}}.json"  # what the tables are made from beside the records
# What is deployed: a folder for a row of performance.csv, whose manifest is tracked; which rows are recommended.
DEPLOYED = (
    f"{RESULTS}/deploy/{{node}}/{{model}}-{{framework}}-{{api}}-{{variant}}-{{precision}}-{{device}}-{{parameters}}"
    "-batch{batch_size}/manifest.json"
)
RECOMMENDED = f"{RESULTS}/deploy/recommended.json"
# Written by the rules' own jobs only, and last: without them what lies beside them is that of an unfinished study.
MARKS = {
    "tables": f"{RESULTS}/tables/complete.json",
    "plots": f"{PLOTS}/complete.json",
    "report": f"{RESULTS}/report/complete.json",
    "export_tables": f"{EXPORT}/complete.json",
}
# By rule what people read.
PAGES = {
    "tables": [*TABLES.values(), ABOUT],
    "plots": PLOT_FILES,
    "report": [REPORT, SUMMARY, SUMMARY_DATA],
    "export_tables": EXPORTS,
}
# What is made last, of all records together: whether a study is finished is asked of these.
LAST = [*MARKS.values(), *(page for pages in PAGES.values() for page in pages), RECOMMENDED]
UNFINISHED = f"{RESULTS}/logs/unfinished.json"  # what the last run was to make and did not


def log(output: str) -> str:
    """The log of the job that makes this output."""
    return f"{RESULTS}/logs/" + output.removeprefix(f"{RESULTS}/").lstrip("/") + ".log"


def partial(record: str) -> str:
    """Beside the record of a sweep or a comparison: one without the batch sizes, or the members, that failed."""
    return record.removesuffix(".json") + ".partial.json"


def timing(log_file: str) -> str:
    """Beside a job's log: when it ran and for how long."""
    return log_file.removesuffix(".log") + ".time.json"


def failure(log_file: str) -> str:
    """Beside a job's log: the reason when it failed; absent otherwise."""
    return log_file.removesuffix(".log") + ".failed.json"
