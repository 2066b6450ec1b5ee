# Environments: a uv virtual environment for each framework, from its conda file. With `--sdm conda` none is made.


# Make a framework's virtual environment. The digest of the pins in its path decides, not the date of the file. `update`:
# Snakemake would delete the mark that another run, which shares the folder, has written since this one was planned.
rule environment:
    input:
        file=ancient("envs/{framework}.yaml"),
    output:
        update(f"{CONFIG['environments']['folder']}/{{framework}}-{{digest}}/environment.json"),
    log:
        paths.log(f"{CONFIG['environments']['folder']}/{{framework}}-{{digest}}/environment.json"),
    priority: plan.READY
    localrule: True
    conda:
        "../../envs/dliflow.yaml"
    resources:
        timeout_s=CONFIG["environments"]["timeout_s"],
    params:
        options="",
    shell:
        here("environment", "--file {input.file:q} --out {output:q}")


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
        code=code("stages.interpreter"),
        options="",
        python="python",
    shell:
        there("interpreter", "--out {output:q}")
