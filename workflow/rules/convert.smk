# Models: export from the source to interchange files, take the reference's scores, convert to each framework.


# Export a model to the interchange files.
rule export:
    input:
        environment=lambda w: needs_environment(exporter_of(w.model)),
        source=paths.MODEL_FILES,
    output:
        paths.INTERCHANGE,
    log:
        paths.log(paths.INTERCHANGE),
    priority: plan.READY
    conda:
        lambda w: f"../../envs/{exporter_of(w.model)}.yaml"
    resources:
        timeout_s=STUDY["convert"]["timeout_s"],
    params:
        code=code_of_source("export"),
        python=lambda w: python_of(exporter_of(w.model)),
        path=source_path,
        source=source_of_file,
        input=input_of,
        scores=lambda w: scores_of(w.model),
        label_offset=lambda w: MODELS[w.model]["label_offset"],
    shell:
        there(
            "export",
            SOURCE_OPTIONS,
            "--out {output:q}",
        )


# Scores of the model's source in its own runtime, for parity.
rule reference:
    input:
        environment=lambda w: needs_environment(source_of(w.model).FRAMEWORK),
        source=paths.MODEL_FILES,
        array=array_of,
        images=paths.EVALUATION_IMAGES.format(dataset=STUDY["dataset"]),
    output:
        paths.REFERENCE,
    log:
        paths.log(paths.REFERENCE),
    priority: plan.READY
    conda:
        lambda w: f"../../envs/{source_of(w.model).FRAMEWORK}.yaml"
    resources:
        timeout_s=STUDY["parity"]["timeout_s"],
    params:
        code=code_of_source("reference"),
        python=lambda w: python_of(source_of(w.model).FRAMEWORK),
        path=source_path,
        source=source_of_file,
        input=input_of,
        size=STUDY["parity"]["images"],
        scores=lambda w: scores_of(w.model),
        label_offset=lambda w: MODELS[w.model]["label_offset"],
    shell:
        there(
            "reference",
            SOURCE_OPTIONS,
            "--array {input.array:q} --images {input.images:q} --count {params.size} --out {output:q}",
        )


# Convert a model to a framework's own format.
rule convert:
    input:
        environment=lambda w: needs_environment(converter_of(w)),
        source=converted_from,
        calibration=calibration_array,
    output:
        paths.CONVERTED,
    log:
        paths.log(paths.CONVERTED),
    priority: plan.READY
    conda:
        lambda w: f"../../envs/{converter_of(w)}.yaml"
    resources:
        timeout_s=STUDY["convert"]["timeout_s"],
    params:
        code=lambda w: source_code.digest("stages.convert", f"frameworks.{w.framework}"),
        python=lambda w: python_of(converter_of(w)),
        source=convert_source,
        calibration=calibration_options,
    shell:
        there(
            "convert",
            "--framework {wildcards.framework}",
            "--precision {wildcards.precision} {params.source} {params.calibration} --out {output:q}",
        )
