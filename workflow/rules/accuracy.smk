# Quality: parity with the reference on one batch, then top-1 and top-5 on the labelled images, and on images without
# labels the classes that are to be the same as FP32's.


# Compare the scores of a converted model with the reference's.
rule parity:
    input:
        environment=lambda w: needs_environment(w.framework),
        converted=converted_of,
        built=built_of,
        array=lambda w: STUDY.array(w.model),
        reference=paths.REFERENCE,
    output:
        paths.PARITY,
    log:
        paths.log(paths.PARITY),
    priority: plan.READY
    conda:
        "../../envs/{framework}.yaml"
    resources:
        **like_a_node(),
        timeout_s=CONFIG["parity"]["timeout_s"],
    params:
        code=code_of_session("parity"),
        python=lambda w: STUDY.python(w.framework),
        environment=VARIABLES,
        options=lambda w: options.parity(STUDY, configuration_of(w)),
    shell:
        there("parity", "--out {output:q}")


# Top-1 and top-5 of a converted model; on images without labels the classes that it gives them.
rule accuracy:
    input:
        environment=lambda w: needs_environment(w.framework),
        converted=converted_of,
        built=built_of,
        array=lambda w: STUDY.array(w.model, w.dataset),
        images=paths.EVALUATION_IMAGES,
    output:
        paths.ACCURACY,
    log:
        paths.log(paths.ACCURACY),
    priority: plan.READY
    conda:
        "../../envs/{framework}.yaml"
    resources:
        **like_a_node(),
        timeout_s=CONFIG["accuracy"]["timeout_s"],
    params:
        code=code_of_session("accuracy"),
        python=lambda w: STUDY.python(w.framework),
        environment=VARIABLES,
        options=lambda w: options.accuracy(STUDY, configuration_of(w), w.dataset),
    shell:
        there("accuracy", "--out {output:q}")
