# Programs in C++: one for each framework, compiled in its environment, for the study's `apis: [python, cpp]`.


# Compile a framework's program. A checkpoint: what was measured with it runs again only if the program changed.
checkpoint build:
    input:
        environment=lambda w: needs_environment(w.framework),
        sources=lambda w: building.sources(w.framework),
    output:
        paths.BUILT,
    log:
        paths.log(paths.BUILT),
    priority: plan.READY
    conda:
        "../../envs/{framework}.yaml"
    resources:
        timeout_s=CONFIG["convert"]["timeout_s"],
    params:
        compiler=lambda w: COMPILER or made(paths.BUILT.format(**w)).get("compiler", NO_COMPILER),
        code=lambda w: code("stages.build", f"building.{w.framework}", f"frameworks.{w.framework}"),
        python=lambda w: STUDY.python(w.framework),
        options=lambda w: options.build(w.framework),
    shell:
        there("build", "--sources {input.sources:q} --out {output:q}")
