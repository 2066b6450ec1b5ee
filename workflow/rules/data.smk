# Inputs: fetch models and images, list the images, choose subsets, decode and resize those once for each geometry.


# Fetch a model's files, or check the user's.
rule fetch_model:
    input:
        files=lambda w: locations.inputs_of(STUDY.models[w.model]["source"]),
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
        code=code("stages.fetch"),
        contents=lambda w: contents(STUDY.models[w.model]["source"]),
        options=lambda w: options.fetch_model(STUDY, w.model),
    shell:
        here("fetch", "--out {output:q}")


# Fetch a dataset's images. Whether a rule is local is not inherited in Snakemake 9.27.
use rule fetch_model as fetch_dataset with:
    input:
        files=lambda w: STUDY.archives(w.dataset),
    output:
        paths.DATASET_FILES,
    log:
        paths.log(paths.DATASET_FILES),
    localrule: True
    params:
        code=code("stages.fetch"),
        contents="",  # archives may be large: their dates decide whether they are looked at
        options=lambda w: options.fetch_dataset(STUDY, w.dataset),


# Fetch a dataset's labels that lie elsewhere than its images.
use rule fetch_model as fetch_labels with:
    input:
        files=lambda w: locations.inputs_of(STUDY.label_source(w.dataset)),
    output:
        paths.LABEL_FILES,
    log:
        paths.log(paths.LABEL_FILES),
    localrule: True
    params:
        code=code("stages.fetch"),
        contents=lambda w: contents(STUDY.label_source(w.dataset)),
        options=lambda w: options.fetch_labels(STUDY, w.dataset),


# List a dataset's images with labels and checksums.
rule images:
    input:
        fetched=paths.DATASET_FILES,
        labels=lambda w: STUDY.labels_input(w.dataset),
        names=lambda w: STUDY.names_file(w.dataset) or [],
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
        code=code("stages.images"),
        listing=lambda w: STUDY.listings.get(w.dataset),
        contents=lambda w: STUDY.labels_contents(w.dataset),
        options=lambda w: options.images(STUDY, w.dataset),
    shell:
        here("images", "--out {output:q}")


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
        code=code("stages.subset"),
        options=lambda w: options.subset(STUDY, w.dataset, w.subset),
    shell:
        here("subset", "--images {input.images:q} --out {output.images:q} --manifest {output.manifest:q}")


# Choose calibration images that are no evaluation images, labelled or not.
rule calibration_images:
    input:
        candidates=paths.IMAGES.format(dataset=CONFIG["calibration"]["dataset"]),
        evaluation=[paths.EVALUATION_IMAGES.format(dataset=name) for name in plan.evaluated(CONFIG)],
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
        code=code("stages.calibration"),
        options=options.calibration(STUDY),
    shell:
        here("calibration", "--out {output:q}")


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
        code=code("stages.prepare"),
        options=lambda w: options.prepare(STUDY, w.spec),
    shell:
        here("prepare", "--images {input.images:q} --out {output:q}")


# Decode, resize and crop the images that requests are made of.
use rule prepare as prepare_performance with:
    input:
        images=paths.PERFORMANCE_IMAGES,
    output:
        paths.PERFORMANCE_ARRAY,
    log:
        paths.log(paths.PERFORMANCE_ARRAY),


# Decode, resize and crop the calibration images for one geometry.
use rule prepare as prepare_calibration with:
    input:
        images=paths.CALIBRATION_IMAGES,
    output:
        paths.CALIBRATION_ARRAY,
    log:
        paths.log(paths.CALIBRATION_ARRAY),
