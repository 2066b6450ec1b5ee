# Performance, measured alone on the machine. The sweep: one job for each configuration and group, in a seeded random order.
# Among them, where it is asked for, the throughput of several requests in flight, and then launch parameters.
# Then comparisons in rounds: of the leaders of each batch size, and of all batch sizes. Everything else has a higher
# priority, so that measuring begins when all frameworks are ready for it.


# Make the network of the anchor, with which every measurement takes turns.
rule anchor:
    input:
        environment=needs_environment(plan.ANCHOR),
    output:
        paths.ANCHOR,
    log:
        paths.log(paths.ANCHOR),
    priority: plan.READY
    conda:
        "../../envs/anchor.yaml"
    resources:
        timeout_s=600,
    params:
        code=code("stages.anchor"),
        python=STUDY.python(plan.ANCHOR),
        options="",
    shell:
        there("anchor", "--out {output:q}")


# Measure one group of one configuration, at all batch sizes.
rule sweep:
    input:
        environment=lambda w: needs_interpreter(w.framework),
        converted=converted_of,
        built=built_of,
        array=lambda w: STUDY.performance_array(w.model),
        anchor=paths.ANCHOR,
        anchor_environment=lambda w: needs_interpreter(anchor_of(w)),
    output:
        paths.SWEEP,
    log:
        paths.log(paths.SWEEP),
    priority: lambda w: plan.turn(paths.SWEEP.format(**w), int(w.group), CONFIG["latency"])
    localrule: not HANDED_OVER
    conda:
        "../../envs/dliflow.yaml"
    threads: cores_here
    resources:
        **whole_node(),
        timeout_s=CONFIG["latency"]["timeout_s"],
    params:
        code=lambda w: code(*MEASURED_BY, f"frameworks.{w.framework}"),
        python=lambda w: options.interpreter(STUDY, w.framework),
        anchor_python=lambda w: options.interpreter(STUDY, anchor_of(w)),
        environment=VARIABLES,
        options=lambda w: options.sweep(STUDY, configuration_of(w), w.node, int(w.group)),
    shell:
        here("sweep", "--python {params.python:q}", WITH_ANCHOR, "--out {output:q}")


# Measure one group of one configuration with several requests in flight, as many as are named, at all batch sizes.
use rule sweep as throughput with:
    output:
        paths.THROUGHPUT,
    log:
        paths.log(paths.THROUGHPUT),
    priority: lambda w: plan.turn(paths.THROUGHPUT.format(**w), int(w.group), CONFIG["throughput"])
    localrule: not HANDED_OVER
    resources:
        **whole_node(),
        timeout_s=CONFIG["throughput"]["timeout_s"],
    params:
        code=lambda w: code(*MEASURED_BY, f"frameworks.{w.framework}"),
        python=lambda w: options.interpreter(STUDY, w.framework),
        anchor_python=lambda w: options.interpreter(STUDY, anchor_of(w)),
        environment=VARIABLES,
        options=lambda w: options.throughput(STUDY, configuration_of(w), w.node, int(w.group)),


# Look for the launch parameters with which a configuration is fastest at a batch size, after all groups of the sweep.
rule tune:
    input:
        environment=lambda w: needs_interpreter(w.framework),
        converted=converted_of,
        parity=paths.PARITY,
        array=lambda w: STUDY.performance_array(w.model),
        anchor=paths.ANCHOR,
        anchor_environment=lambda w: needs_interpreter(anchor_of(w)),
    output:
        paths.TUNE,
    log:
        paths.log(paths.TUNE),
    localrule: not HANDED_OVER
    conda:
        "../../envs/dliflow.yaml"
    threads: cores_here
    resources:
        **whole_node(),
        timeout_s=CONFIG["tune"]["timeout_s"] if CONFIG["tune"] else 0,
    params:
        code=lambda w: code("stages.tune", *MEASURED_BY[1:], f"frameworks.{w.framework}"),
        python=lambda w: options.interpreter(STUDY, w.framework),
        anchor_python=lambda w: options.interpreter(STUDY, anchor_of(w)),
        environment=VARIABLES,
        options=lambda w: options.tune(STUDY, tuned_configuration_of(w), w.node, int(w.batch_size)),
    shell:
        here("tune", "--python {params.python:q}", WITH_ANCHOR, "--out {output:q}")


# Measure the leaders of one batch size together, in rounds; or those of all batch sizes, which rests on these.
rule compare:
    input:
        environments=lambda w: needs_interpreters(frameworks_of_candidates(w)),
        converted=of_candidates(paths.CONVERTED),
        built=built_of_candidates,
        sweep=of_candidates(paths.SWEEP),
        parity=of_candidates(paths.PARITY),
        tune=tuned_of,
        array=lambda w: STUDY.performance_array(w.model),
        anchor=paths.ANCHOR,
        anchor_environments=anchors_of_candidates,
        before=compared_before,
    output:
        paths.COMPARE,
    log:
        paths.log(paths.COMPARE),
    localrule: not HANDED_OVER
    conda:
        "../../envs/dliflow.yaml"
    threads: cores_here
    resources:
        **whole_node(),
        timeout_s=CONFIG["compare"]["timeout_s"],
    params:
        code=code("stages.rounds", *MEASURED_BY[1:], *(f"frameworks.{f}" for f in CONFIG["frameworks"])),
        anchor_python=options.interpreter(STUDY, plan.ANCHOR),
        environment=VARIABLES,
        options=lambda w: options.compare(STUDY, w.node, w.model, w.device, size_of(w)),
    shell:
        here("rounds", WITH_ANCHOR, "--out {output:q}")
