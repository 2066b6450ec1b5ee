# What people read: tables from the records, plots and the report from the tables. When jobs failed, the same is made of
# what there is, and the run still ends with an error.


# Make the tables.
rule tables:
    input:
        code=modules.sources("stages.tables", *(f"frameworks.{name}" for name in STUDY["frameworks"])),
        parity=plan.records(PLAN, "parity"),
        accuracy=plan.records(PLAN, "accuracy"),
        latency=plan.records(PLAN, "latency"),
        compare=plan.records(PLAN, "compare"),
    output:
        paths.TABLES.values(),
    log:
        paths.log(f"{paths.RESULTS}/tables"),
    localrule: True
    conda:
        "../../envs/dliflow.yaml"
    resources:
        timeout_s=3600,
    params:
        **TABLES_DATA,
    shell:
        here(
            "tables",
            "--study {params.study:q} --models {params.models:q}",
            "--environments {params.environments:q}",
        )


# Draw the plots.
rule plots:
    input:
        code=modules.sources("stages.plots"),
        tables=paths.TABLES.values(),
    output:
        paths.PLOT_FILES,
    log:
        paths.log(paths.PLOTS),
    localrule: True
    conda:
        "../../envs/dliflow.yaml"
    resources:
        timeout_s=3600,
    shell:
        here("plots")


# Write the report and the summary for the terminal.
rule report:
    input:
        code=modules.sources("stages.report"),
        template="workflow/dliflow/report/template.html.j2",
        tables=paths.TABLES.values(),
        plots=paths.PLOT_FILES,
    output:
        paths.REPORT,
        paths.SUMMARY,
    log:
        paths.log(paths.REPORT),
    localrule: True
    conda:
        "../../envs/dliflow.yaml"
    resources:
        timeout_s=3600,
    shell:
        here("report")


onstart:
    # Snakemake's bound on jobs per second wakes the scheduler once a second more for each job that has run: after a
    # hundred jobs that took a tenth of the processors away from measurements. Jobs on this machine need no such bound.
    if workflow.local_exec:
        workflow.scheduler.job_rate_limiter = None
    check_launch()
    Path(paths.PARTIALS).unlink(missing_ok=True)  # it is of the last run
    write_json(Path(paths.RUN), {"started": time.time(), "command": " ".join(["snakemake", *sys.argv[1:]])})


onsuccess:
    subprocess.run([sys.executable, "-m", "dliflow", "finish"], env=STAGE_ENVIRONMENT)


onerror:
    compare_the_rest()
    subprocess.run(
        [sys.executable, "-m", "dliflow", "finish", "--failed", "--", *TABLES_ARGUMENTS], env=STAGE_ENVIRONMENT
    )
