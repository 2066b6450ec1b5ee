# Who is faster: the leading configurations of each model and batch size, and each one's reference, take turns in short
# bursts. Last of all, since what leads is known from the latency records, and who may lead from those of parity.


# Measure the leaders of one batch size together, in rounds.
rule compare:
    input:
        environments=environments_of_candidates,
        converted=of_candidates(paths.CONVERTED),
        latency=of_candidates(paths.LATENCY),
        parity=of_candidates(paths.PARITY),
        array=lambda w: STUDY.performance_array(w.model),
    output:
        paths.COMPARE,
    log:
        paths.log(paths.COMPARE),
    conda:
        "../../envs/dliflow.yaml"
    resources:
        timeout_s=CONFIG["compare"]["timeout_s"],
        machine=1000,
    params:
        code=code("stages.compare", "stages.worker", "stages.pacer", *(f"frameworks.{f}" for f in CONFIG["frameworks"])),
        environment=VARIABLES,
        options=lambda w: options.compare(STUDY, w.node, w.model, w.device, int(w.batch_size)),
    shell:
        here("compare", "--out {output:q}")
