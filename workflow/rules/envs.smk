# Environments: a uv virtual environment for each framework, from its conda file. With `--sdm conda` none is made.


# Make a framework's virtual environment.
rule environment:
    input:
        file="envs/{framework}.yaml",
    output:
        f"{STUDY['environments']['folder']}/{{framework}}-{{digest}}/environment.json",
    log:
        paths.log("envs/{framework}-{digest}"),
    localrule: True
    priority: 10**9
    shell:
        HERE
        + " --timeout {STUDY[environments][timeout_s]} --"
        " environment --file {input.file:q} --out {output:q}"
