# Programs in C++: one for each framework, compiled in its environment, for the study's `apis: [python, cpp]`.


# Compile the library of a framework whose package has none for C++, where the config's `cpp` says so; once, for all
# studies. Its path holds the digest of what decides it, as that of an environment does, so no code is compared.
rule library:
    input:
        tools=lambda w: needs_interpreter(building.TOOLS),
    output:
        paths.LIBRARY,
    log:
        paths.log(paths.LIBRARY),
    priority: plan.READY
    localrule: True
    conda:
        "../../envs/dliflow.yaml"
    threads: 8
    resources:
        timeout_s=CONFIG["environments"]["timeout_s"],
    params:
        compiler=lambda w: COMPILER or made(paths.LIBRARY.format(**w)).get("compiler", NO_COMPILER),
        tools=lambda w: options.interpreter(STUDY, building.TOOLS),
        options=lambda w: options.library(STUDY, w.framework),
    shell:
        here("library", "--tools {params.tools:q} --jobs {threads} --out {output:q}")


# Compile a framework's program. A checkpoint: what was measured with it runs again only if the program changed.
checkpoint build:
    input:
        environment=lambda w: needs_environment(w.framework),
        sources=lambda w: building.sources(w.framework),
        library=lambda w: plan.library(CONFIG, w.framework, STUDY.digest) or [],
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
        options=lambda w: options.build(STUDY, w.framework),
    shell:
        there("build", "--sources {input.sources:q} --out {output:q}")
