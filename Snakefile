from snakemake.utils import min_version

min_version("9.0")


include: "workflow/rules/config.smk"


configfile: "config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/ending.smk"
include: "workflow/rules/envs.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/convert.smk"
include: "workflow/rules/build.smk"
include: "workflow/rules/accuracy.smk"
include: "workflow/rules/measure.smk"
include: "workflow/rules/profile.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/deploy.smk"
include: "workflow/rules/nodes.smk"


# The whole study: every record, what people read, and the marks that say that all of it belongs together.
rule all:
    default_target: True
    input:
        records(),
        lost(),
        paths.MARKS.values(),
        paths.REPORT,
        paths.SUMMARY,
        paths.TABLES.values(),
        paths.PLOT_FILES,
        recommended,
        paths.EXPORTS,
