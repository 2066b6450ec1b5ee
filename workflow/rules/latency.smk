# Performance: one process for each configuration, batch size and repetition, alone on the machine, in a seeded random
# order. Everything else has a higher priority, so that measuring begins when all frameworks are ready for it.


def turn(wildcards):
    """Priority of a measurement."""
    latency = STUDY["latency"]
    record = paths.LATENCY.format(**wildcards)
    return plan.turn(record, int(wildcards.repetition), latency["repetitions"], latency["seed"])


# Measure one repetition of one configuration.
rule latency:
    input:
        code=session_code("latency"),
        environment=lambda w: needs_environment(w.framework),
        converted=paths.CONVERTED,
        array=array_of,
    output:
        paths.LATENCY,
    log:
        paths.log(paths.LATENCY),
    params:
        python=lambda w: python_of(w.framework),
        threads=STUDY["threads"],
        options=session_options,
        scores=lambda w: scores_of(w.model),
        **{
            key: STUDY["latency"][key]
            for key in ("requests", "limit_s", "warmup_requests", "warmup_limit_s", "images")
        },
    conda:
        "../../envs/{framework}.yaml"
    priority: turn
    resources:
        machine=1000,
    shell:
        THERE
        + " --timeout {STUDY[latency][timeout_s]} --exclusive -- latency"
        + SESSION_OPTIONS
        + " --node {wildcards.node} --scenario latency --parameters {wildcards.parameters}"
        " --batch-size {wildcards.batch_size} --repetition {wildcards.repetition}"
        " --requests {params.requests} --limit {params.limit_s}"
        " --warmup-requests {params.warmup_requests} --warmup-limit {params.warmup_limit_s}"
        " --images {params.images} --out {output:q}"
