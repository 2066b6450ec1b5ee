# What people read: tables from the records, plots and the report from the tables. When jobs failed, the same is made of
# what there is, and the run still ends with an error; only the rules' own jobs write the marks, which `all` asks for.


# Make the tables.
rule tables:
    input:
        whole("tables"),
        parity=plan.records(PLAN, "parity"),
        accuracy=plan.records(PLAN, "accuracy"),
        agreement=plan.records(PLAN, "agreement"),
        sweep=plan.records(PLAN, "sweep"),
        throughput=plan.records(PLAN, "throughput"),
        tune=plan.records(PLAN, "tune"),
        compare=plan.records(PLAN, "compare"),
        profile=plan.records(PLAN, "profile"),
    output:
        [reported(path, "Tables", "table") for path in paths.TABLES.values()],
        paths.ABOUT,
        mark=paths.MARKS["tables"],
    log:
        paths.log(f"{paths.RESULTS}/tables"),
    localrule: True
    conda:
        "../../envs/dliflow.yaml"
    resources:
        timeout_s=3600,
    params:
        code=code("stages.tables", *(f"frameworks.{name}" for name in CONFIG["frameworks"])),
        options=options.tables(STUDY),
    shell:
        here("tables", "--mark {output.mark:q}")


# Draw the plots.
rule plots:
    input:
        whole("plots"),
        tables=paths.TABLES.values(),
    output:
        reported_plots(),
        mark=paths.MARKS["plots"],
    log:
        paths.log(paths.PLOTS),
    localrule: True
    conda:
        "../../envs/dliflow.yaml"
    resources:
        timeout_s=3600,
    params:
        code=code("stages.plots"),
        options="",
    shell:
        here("plots", "--mark {output.mark:q}")


# Write what other programs read: Parquet, a workbook, tables and figures for papers.
rule export_tables:
    input:
        whole("export_tables"),
        tables=paths.TABLES.values(),
    output:
        [reported(path, "Tables", "workbook") if path.endswith(".xlsx") else path for path in paths.EXPORTS],
        mark=paths.MARKS["export_tables"],
    log:
        paths.log(paths.EXPORT),
    localrule: True
    conda:
        "../../envs/dliflow.yaml"
    resources:
        timeout_s=3600,
    params:
        code=code("stages.export_tables"),
        options="",
    shell:
        here("export_tables", "--mark {output.mark:q}")


# Write the report, and the summary for the terminal and as data.
rule report:
    input:
        whole("report"),
        parts=sorted(
            str(path) for kind in ("j2", "css", "js") for path in Path("workflow/dliflow/report").rglob(f"*.{kind}")
        ),
        tables=[*paths.TABLES.values(), paths.ABOUT],
        plots=paths.PLOT_FILES,
    output:
        reported(paths.REPORT, "The answer", "page"),
        paths.SUMMARY,
        paths.SUMMARY_DATA,
        mark=paths.MARKS["report"],
    log:
        paths.log(paths.REPORT),
    localrule: True
    conda:
        "../../envs/dliflow.yaml"
    resources:
        timeout_s=3600,
    params:
        code=code("stages.report"),
        options=options.report(STUDY),
    shell:
        here("report", "--mark {output.mark:q}")
