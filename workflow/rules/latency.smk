# Performance: one process for each configuration, batch size and repetition, alone on the machine, in a seeded random
# order. Everything else has a higher priority, so that measuring begins when all frameworks are ready for it.


# Measure one repetition of one configuration.
rule latency:
    input:
        environment=lambda w: needs_environment(w.framework),
        converted=paths.CONVERTED,
        array=performance_array_of,
        pacer=paths.INTERPRETER.format(framework="dliflow") if CONDA else [],
    output:
        paths.LATENCY,
    log:
        paths.log(paths.LATENCY),
    priority: turn
    conda:
        "../../envs/{framework}.yaml"
    resources:
        timeout_s=STUDY["latency"]["timeout_s"],
        machine=1000,
    params:
        code=session_code("latency"),
        requests=REQUEST_OPTIONS,
        python=lambda w: python_of(w.framework),
        threads=STUDY["threads"],
        options=session_options,
        launch=json.dumps(STUDY["launch"]),
        environment=VARIABLES,
        feed=FEED_OPTIONS,
        input=input_of,
        scores=lambda w: scores_of(w.model),
    shell:
        there(
            "latency",
            SESSION_OPTIONS,
            "--node {wildcards.node} --scenario latency --parameters {wildcards.parameters}",
            "--batch-size {wildcards.batch_size} --repetition {wildcards.repetition}",
            "--launch {params.launch:q} {params.feed}",
            "--pacer {input.pacer:q}" if CONDA else '--pacer "$DLIFLOW_PYTHON"',
            "{params.requests}",
            "--out {output:q}",
        )
