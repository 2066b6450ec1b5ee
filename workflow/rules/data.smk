# Inputs: fetch models and images, list the images, choose subsets, decode and resize those once for each geometry.


# Fetch a model's files, or check the user's.
rule fetch_model:
    input:
        files=lambda w: locations.inputs_of(MODELS[w.model]["source"]),
    output:
        paths.MODEL_FILES,
    log:
        paths.log(paths.MODEL_FILES),
    priority: plan.READY
    localrule: True
    conda:
        "../../envs/dliflow.yaml"
    resources:
        timeout_s=86400,
    params:
        code=source_code.digest("stages.fetch"),
        source=lambda w: fetched_part(MODELS[w.model]["source"]),
        contents="--contents",
    shell:
        here(
            "fetch",
            "--source {params.source:q} {params.contents} --out {output:q}",
        )


# Fetch a dataset's images.
use rule fetch_model as fetch_dataset with:
    input:
        files=lambda w: archives_of(DATASETS[w.dataset]["source"]),
    output:
        paths.DATASET_FILES,
    log:
        paths.log(paths.DATASET_FILES),
    params:
        code=source_code.digest("stages.fetch"),
        source=lambda w: fetched_part(DATASETS[w.dataset]["source"]),
        contents="",


# Fetch a dataset's labels that lie elsewhere than its images.
use rule fetch_model as fetch_labels with:
    input:
        files=lambda w: locations.inputs_of(label_source(w.dataset)),
    output:
        paths.LABEL_FILES,
    log:
        paths.log(paths.LABEL_FILES),
    params:
        code=source_code.digest("stages.fetch"),
        source=lambda w: fetched_part(label_source(w.dataset)),
        contents="--contents",


# List a dataset's images with labels and checksums.
rule images:
    input:
        fetched=paths.DATASET_FILES,
        labels=labels_input,
        names=class_names_file,
    output:
        paths.IMAGES,
    log:
        paths.log(paths.IMAGES),
    priority: plan.READY
    conda:
        "../../envs/dliflow.yaml"
    resources:
        timeout_s=3600,
    params:
        code=source_code.digest("stages.images"),
        folder=dataset_folder,
        listing=lambda w: LISTINGS.get(w.dataset),
        patterns=lambda w: json.dumps(DATASETS[w.dataset]["images"]),
        labels=lambda w: json.dumps(DATASETS[w.dataset]["labels"]),
        labels_path=labels_option,
        names=names_option,
        classes=min(map(len, CLASSES.values())),
    shell:
        here(
            "images",
            "--folder {params.folder:q} --patterns {params.patterns:q}",
            "--labels {params.labels:q} {params.labels_path} {params.names} --classes {params.classes} --out {output:q}",
        )


# Choose the images that quality or speed is measured on.
rule subset:
    input:
        images=paths.IMAGES,
    output:
        images=paths.SUBSET,
        manifest=paths.SUBSET_MANIFEST,
    log:
        paths.log(paths.SUBSET),
    priority: plan.READY
    conda:
        "../../envs/dliflow.yaml"
    resources:
        timeout_s=600,
    params:
        code=source_code.digest("stages.subset"),
        size=lambda w: SUBSET_OPTIONS[w.subset],
        seed=STUDY["accuracy"]["seed"],
    shell:
        here(
            "subset",
            "--images {input.images:q} {params.size} --seed {params.seed}",
            "--out {output.images:q} --manifest {output.manifest:q}",
        )


# Choose calibration images that are no evaluation images.
rule calibration_images:
    input:
        candidates=paths.IMAGES.format(dataset=STUDY["calibration"]["dataset"]),
        evaluation=paths.EVALUATION_IMAGES.format(dataset=STUDY["dataset"]),
    output:
        paths.CALIBRATION_IMAGES,
    log:
        paths.log(paths.CALIBRATION_IMAGES),
    priority: plan.READY
    conda:
        "../../envs/dliflow.yaml"
    resources:
        timeout_s=600,
    params:
        code=source_code.digest("stages.calibration"),
        size=STUDY["calibration"]["images"],
        seed=STUDY["calibration"]["seed"],
    shell:
        here(
            "calibration",
            "--candidates {input.candidates:q} --evaluation {input.evaluation:q}",
            "--count {params.size} --seed {params.seed} --out {output:q}",
        )


# Decode, resize and crop a dataset's images for one geometry.
rule prepare:
    input:
        images=paths.EVALUATION_IMAGES,
    output:
        paths.ARRAY,
    log:
        paths.log(paths.ARRAY),
    priority: plan.READY
    conda:
        "../../envs/dliflow.yaml"
    resources:
        timeout_s=86400,
    params:
        code=source_code.digest("stages.prepare"),
        geometry=lambda w: json.dumps(GEOMETRIES[w.spec]),
    shell:
        here(
            "prepare",
            "--images {input.images:q} --geometry {params.geometry:q} --out {output:q}",
        )


# Decode, resize and crop the images that requests are made of.
use rule prepare as prepare_performance with:
    input:
        images=paths.PERFORMANCE_IMAGES,
    output:
        paths.PERFORMANCE_ARRAY,
    log:
        paths.log(paths.PERFORMANCE_ARRAY),
    params:
        code=source_code.digest("stages.prepare"),


# Decode, resize and crop the calibration images for one geometry.
use rule prepare as prepare_calibration with:
    input:
        images=paths.CALIBRATION_IMAGES,
    output:
        paths.CALIBRATION_ARRAY,
    log:
        paths.log(paths.CALIBRATION_ARRAY),
    params:
        code=source_code.digest("stages.prepare"),
