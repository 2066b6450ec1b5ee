# Where the time goes: the framework's own profiler, for the rows that the config's `profile` names. A measurement, too.


# Profile one configuration at one batch size.
rule profile_one:
    input:
        environment=lambda w: needs_environment(w.framework),
        converted=converted_of,
        array=lambda w: STUDY.performance_array(w.model),
    output:
        paths.PROFILE,
    log:
        paths.log(paths.PROFILE),
    localrule: not HANDED_OVER
    conda:
        "../../envs/{framework}.yaml"
    threads: cores_here
    resources:
        **whole_node(),
        timeout_s=CONFIG["latency"]["timeout_s"],
    params:
        code=lambda w: code("stages.profile", f"frameworks.{w.framework}", f"profiling.{w.framework}"),
        python=lambda w: STUDY.python(w.framework),
        environment=VARIABLES,
        options=lambda w: options.profile(STUDY, configuration_of(w), w.node, int(w.batch_size)),
    shell:
        there("profile", "--out {output:q}")


# All of them, and what they say: `snakemake --cores 1 profile`.
rule profile:
    input:
        records=named_profiles,
    output:
        paths.PROFILES,
    log:
        paths.log(paths.PROFILES),
    localrule: True
    conda:
        "../../envs/dliflow.yaml"
    resources:
        timeout_s=600,
    params:
        code=code("stages.operators"),
        options="",
    shell:
        here("operators", "--records {input.records:q} --out {output:q}")
