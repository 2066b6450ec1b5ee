# What people read: tables from the records, plots and the report from the tables.

TABLES_OPTIONS = (
    " --study {params.study:q} --specs {params.specs:q} --environments {params.environments:q}"
    " --references {params.references:q}"
)


def used_frameworks():
    """The study's frameworks and those in whose environments something is converted for them."""
    names = {frameworks.converter(f, p) for f in STUDY["frameworks"] for p in STUDY["precisions"]}
    return sorted(names | set(STUDY["frameworks"]))


# Make the tables.
rule tables:
    input:
        code=modules.sources("stages.tables", *(f"frameworks.{name}" for name in STUDY["frameworks"])),
        parity=plan.records(PLAN, "parity"),
        accuracy=plan.records(PLAN, "accuracy"),
        latency=plan.records(PLAN, "latency"),
    output:
        paths.TABLES.values(),
    log:
        paths.log(f"{paths.RESULTS}/tables"),
    params:
        study=json.dumps({key: STUDY[key] for key in sorted(STUDY) if key != "environments"}),
        specs=json.dumps(SPECS),
        environments=json.dumps({name: environment_of(name) for name in used_frameworks()}),
        references=json.dumps({name: source_of(name).FRAMEWORK for name in MODELS}),
    localrule: True
    shell:
        HERE + " --timeout 3600 -- tables" + TABLES_OPTIONS + f" --out {paths.RESULTS}/tables"
