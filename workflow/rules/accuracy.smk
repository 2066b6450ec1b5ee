# Quality: agreement with the reference on one batch, then top-1 and top-5 on the labelled images.


# Compare the scores of a converted model with the reference's.
rule parity:
    input:
        environment=lambda w: needs_environment(w.framework),
        converted=paths.CONVERTED,
        array=array_of,
        reference=paths.REFERENCE,
    output:
        paths.PARITY,
    log:
        paths.log(paths.PARITY),
    priority: plan.READY
    conda:
        "../../envs/{framework}.yaml"
    resources:
        timeout_s=STUDY["parity"]["timeout_s"],
    params:
        code=session_code("parity"),
        python=lambda w: python_of(w.framework),
        threads=STUDY["threads"],
        environment=VARIABLES,
        options=session_options,
        input=input_of,
        scores=lambda w: scores_of(w.model),
        bounds=bounds_of,
        batch_size=lambda w: batch_size_of(w.model) or STUDY["parity"]["images"],
    shell:
        there(
            "parity",
            SESSION_OPTIONS,
            "--reference {input.reference:q} --bounds {params.bounds:q}",
            "--batch-size {params.batch_size} --out {output:q}",
        )


# Top-1 and top-5 of a converted model.
rule accuracy:
    input:
        environment=lambda w: needs_environment(w.framework),
        converted=paths.CONVERTED,
        array=array_of,
        images=paths.EVALUATION_IMAGES,
    output:
        paths.ACCURACY,
    log:
        paths.log(paths.ACCURACY),
    priority: plan.READY
    conda:
        "../../envs/{framework}.yaml"
    resources:
        timeout_s=STUDY["accuracy"]["timeout_s"],
    params:
        code=session_code("accuracy"),
        python=lambda w: python_of(w.framework),
        threads=STUDY["threads"],
        environment=VARIABLES,
        options=session_options,
        input=input_of,
        scores=lambda w: scores_of(w.model),
        label_offset=lambda w: MODELS[w.model]["label_offset"],
        batch_size=lambda w: batch_size_of(w.model) or STUDY["accuracy"]["batch_size"],
    shell:
        there(
            "accuracy",
            SESSION_OPTIONS,
            "--dataset {wildcards.dataset} --images {input.images:q} --label-offset {params.label_offset}",
            "--batch-size {params.batch_size} --out {output:q}",
        )
