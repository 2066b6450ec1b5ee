# Environments: a uv virtual environment for each framework, from its conda file. With `--sdm conda` none is made.


# Make a framework's virtual environment. The digest of the pins in its path decides, not the date of the file.
rule environment:
    input:
        file=ancient("envs/{framework}.yaml"),
    output:
        f"{STUDY['environments']['folder']}/{{framework}}-{{digest}}/environment.json",
    log:
        paths.log(f"{STUDY['environments']['folder']}/{{framework}}-{{digest}}/environment.json"),
    priority: plan.READY
    localrule: True
    conda:
        "../../envs/dliflow.yaml"
    resources:
        timeout_s=STUDY["environments"]["timeout_s"],
    shell:
        here(
            "environment",
            "--file {input.file:q} --out {output:q}",
        )
