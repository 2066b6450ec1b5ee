# Performance: one process for each configuration, batch size and repetition, alone on the machine, in a seeded random
# order. Everything else has a higher priority, so that measuring begins when all frameworks are ready for it.


# Measure one repetition of one configuration.
rule latency:
    input:
        environment=lambda w: needs_environment(w.framework),
        converted=paths.CONVERTED,
        array=lambda w: STUDY.performance_array(w.model),
        pacer=paths.INTERPRETER.format(framework="dliflow") if CONDA else [],
    output:
        paths.LATENCY,
    log:
        paths.log(paths.LATENCY),
    priority: lambda w: plan.turn(paths.LATENCY.format(**w), int(w.repetition), CONFIG["latency"])
    conda:
        "../../envs/{framework}.yaml"
    resources:
        timeout_s=CONFIG["latency"]["timeout_s"],
        machine=1000,
    params:
        code=code_of_session("latency"),
        python=lambda w: STUDY.python(w.framework),
        environment=VARIABLES,
        options=lambda w: options.latency(STUDY, configuration_of(w), w.node, int(w.batch_size), int(w.repetition)),
    shell:
        there("latency", "--pacer {input.pacer:q}" if CONDA else '--pacer "$DLIFLOW_PYTHON"', "--out {output:q}")
