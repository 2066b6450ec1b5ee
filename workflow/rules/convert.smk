# Models: export from the source to interchange files, take the reference's scores, convert to each framework.


# Export a model to the interchange files.
rule export:
    input:
        environment=lambda w: needs_environment(STUDY.exporter(w.model)),
        source=paths.MODEL_FILES,
    output:
        paths.INTERCHANGE,
    log:
        paths.log(paths.INTERCHANGE),
    priority: plan.READY
    conda:
        lambda w: f"../../envs/{STUDY.exporter(w.model)}.yaml"
    resources:
        timeout_s=CONFIG["convert"]["timeout_s"],
    params:
        code=code_of_source("export"),
        python=lambda w: STUDY.python(STUDY.exporter(w.model)),
        options=lambda w: options.export(STUDY, w.model),
    shell:
        there("export", "--out {output:q}")


# Scores of the model's source in its own runtime, for parity.
rule reference:
    input:
        environment=lambda w: needs_environment(STUDY.home(w.model)),
        source=paths.MODEL_FILES,
        array=lambda w: STUDY.array(w.model),
        images=paths.EVALUATION_IMAGES.format(dataset=CONFIG["dataset"]),
    output:
        paths.REFERENCE,
    log:
        paths.log(paths.REFERENCE),
    priority: plan.READY
    conda:
        lambda w: f"../../envs/{STUDY.home(w.model)}.yaml"
    resources:
        timeout_s=CONFIG["parity"]["timeout_s"],
    params:
        code=code_of_source("reference"),
        python=lambda w: STUDY.python(STUDY.home(w.model)),
        options=lambda w: options.reference(STUDY, w.model),
    shell:
        there("reference", "--out {output:q}")


# Convert a model to a framework's own format. A checkpoint: what comes of a model runs again only if its files changed.
checkpoint convert:
    input:
        environment=lambda w: needs_environment(converter_of(w)),
        source=lambda w: (paths.MODEL_FILES if STUDY.as_it_is(w.model) else paths.INTERCHANGE).format(**w),
        calibration=lambda w: STUDY.calibration_array(w.model) if STUDY.calibrated(w.model, w.precision) else [],
    output:
        paths.CONVERTED,
    log:
        paths.log(paths.CONVERTED),
    priority: plan.READY
    conda:
        lambda w: f"../../envs/{converter_of(w)}.yaml"
    resources:
        timeout_s=CONFIG["convert"]["timeout_s"],
    params:
        code=code_of_conversion,
        python=lambda w: STUDY.python(converter_of(w)),
        options=lambda w: options.convert(STUDY, w.model, w.framework, w.precision, conversion.variant(w.converter)),
    shell:
        there("convert", "--out {output:q}")
