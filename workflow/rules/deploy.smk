# What is deployed: a folder with all that running a measured configuration elsewhere needs, for each recommended row, and
# for any row whose manifest is asked for. A row can be deployed as soon as the tables have it.


# Tell which rows of a finished study are recommended. A checkpoint: what is to be deployed is known behind it.
checkpoint recommend:
    input:
        mark=paths.MARKS["tables"],
        tables=paths.TABLES.values(),
    output:
        paths.RECOMMENDED,
    log:
        paths.log(paths.RECOMMENDED),
    localrule: True
    conda:
        "../../envs/dliflow.yaml"
    resources:
        timeout_s=600,
    params:
        code=code("stages.recommend"),
        options=options.report(STUDY),
    shell:
        here("recommend", "--out {output:q}")


# The folders of all recommended rows.
rule deploy:
    input:
        recommended,


# Make the folder of one row.
rule deploy_row:
    input:
        in_the_plan,
        environment=lambda w: needs_environment(w.framework),
        converted=converted_of,
        built=built_of,
        classes=lambda w: STUDY.models[w.model]["classes"],
        templates=templates_of,
        tables=figures_of_rows,
    output:
        paths.DEPLOYED,
    log:
        paths.log(paths.DEPLOYED),
    wildcard_constraints:
        parameters="default|tuned",
    localrule: True
    conda:
        "../../envs/dliflow.yaml"
    resources:
        timeout_s=600,
    params:
        code=lambda w: code("stages.deploy", f"frameworks.{w.framework}"),
        pins=lambda w: STUDY.digest(w.framework),
        options=lambda w: options.deploy(STUDY, configuration_of(w), w.node, int(w.batch_size)),
    shell:
        here("deploy", *([] if CONDA or CONTAINER else ["--environment {input.environment:q}"]), "--out {output:q}")
