# Quality: agreement with the reference on one batch, then top-1 and top-5 on the labelled images.


def scores_of(model):
    """How many scores a model gives: its classes, and what stands before class 0."""
    return len(CLASSES[model]) + MODELS[model]["label_offset"]


def session_code(stage):
    """Input function: the code that decides what a stage finds for a framework."""
    return lambda w: modules.sources(f"stages.{stage}", f"frameworks.{w.framework}")


def session_options(wildcards):
    """The framework's launch options as JSON."""
    return json.dumps(STUDY["options"].get(wildcards.framework, {}))


def tolerance_of(wildcards):
    """The largest difference of scores that is accepted for a precision."""
    tolerance = STUDY["parity"]["tolerance"][wildcards.precision]
    return "none" if tolerance is None else tolerance


SESSION_OPTIONS = (
    " --model {wildcards.model} --framework {wildcards.framework} --variant {wildcards.variant}"
    " --precision {wildcards.precision} --device {wildcards.device} --threads {params.threads}"
    " --options {params.options:q} --converted {input.converted:q} --array {input.array:q}"
    " --scores {params.scores}"
)


# Compare the scores of a converted model with the reference's.
rule parity:
    input:
        code=session_code("parity"),
        environment=lambda w: needs_environment(w.framework),
        converted=paths.CONVERTED,
        array=array_of,
        reference=paths.REFERENCE,
    output:
        paths.PARITY,
    log:
        paths.log(paths.PARITY),
    params:
        python=lambda w: python_of(w.framework),
        threads=STUDY["threads"],
        options=session_options,
        scores=lambda w: scores_of(w.model),
        tolerance=tolerance_of,
    conda:
        "../../envs/{framework}.yaml"
    priority: 10**9
    shell:
        THERE
        + " --timeout {STUDY[parity][timeout_s]} -- parity"
        + SESSION_OPTIONS
        + " --reference {input.reference:q} --tolerance {params.tolerance} --out {output:q}"


# Top-1 and top-5 of a converted model.
rule accuracy:
    input:
        code=session_code("accuracy"),
        environment=lambda w: needs_environment(w.framework),
        converted=paths.CONVERTED,
        array=array_of,
        images=paths.IMAGES,
    output:
        paths.ACCURACY,
    log:
        paths.log(paths.ACCURACY),
    params:
        python=lambda w: python_of(w.framework),
        threads=STUDY["threads"],
        options=session_options,
        scores=lambda w: scores_of(w.model),
        label_offset=lambda w: MODELS[w.model]["label_offset"],
        batch_size=STUDY["accuracy"]["batch_size"],
    conda:
        "../../envs/{framework}.yaml"
    priority: 10**9
    shell:
        THERE
        + " --timeout {STUDY[accuracy][timeout_s]} -- accuracy"
        + SESSION_OPTIONS
        + " --dataset {wildcards.dataset} --images {input.images:q} --label-offset {params.label_offset}"
        " --batch-size {params.batch_size} --out {output:q}"
