# Who is faster: the leading configurations of each model and batch size, and each one's reference, take turns in short
# bursts. Last of all, since what leads is known from the latency records, and who may lead from those of parity.


# Measure the leaders of one batch size together, in rounds.
rule compare:
    input:
        environments=compared_environments,
        converted=compared_models,
        latency=compared_records,
        parity=compared_parity,
        array=performance_array_of,
    output:
        paths.COMPARE,
    log:
        paths.log(paths.COMPARE),
    conda:
        "../../envs/dliflow.yaml"
    resources:
        timeout_s=STUDY["compare"]["timeout_s"],
        machine=1000,
    params:
        code=source_code.digest(
            "stages.compare", "stages.worker", "stages.pacer", *(f"frameworks.{name}" for name in STUDY["frameworks"])
        ),
        options=COMPARE_OPTIONS,
        environments=STUDY["environments"]["folder"],
        candidates=candidates,
        repetitions=STUDY["latency"]["repetitions"],
        threads=STUDY["threads"],
        launch=json.dumps(STUDY["launch"]),
        environment=VARIABLES,
        feed=FEED_OPTIONS,
        input=input_of,
        scores=lambda w: scores_of(w.model),
    shell:
        here(
            "compare",
            "--node {wildcards.node} --model {wildcards.model} --device {wildcards.device}",
            "--batch-size {wildcards.batch_size} --candidates {params.candidates:q}",
            "--repetitions {params.repetitions} --array {input.array:q} --input {params.input:q}",
            "--scores {params.scores} --threads {params.threads} --launch {params.launch:q} {params.feed}",
            "--environments {params.environments:q} {params.options} --out {output:q}",
        )


# With conda: tell where a framework's Python is, for the jobs that start processes of several frameworks.
rule interpreter:
    output:
        paths.INTERPRETER,
    log:
        paths.log(paths.INTERPRETER),
    localrule: True
    conda:
        "../../envs/{framework}.yaml"
    resources:
        timeout_s=60,
    params:
        code=source_code.digest("stages.interpreter"),
        python="python",
    shell:
        there("interpreter", "--out {output:q}")
