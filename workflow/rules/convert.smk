# Models: export from the source to interchange files, take the reference's scores, convert to each framework.


def source_of(model):
    """The module of a model's source format."""
    return sources.load(MODELS[model]["source"]["format"])


def source_code(stage):
    """Input function: the code that decides a stage's result for a model, its source format's among it."""

    def code(wildcards):
        source = MODELS[wildcards.model]["source"]
        return modules.sources(
            f"stages.{stage}", f"sources.{source['format']}", f"architectures.{source['architecture']}"
        )

    return code


def calibration_array(wildcards):
    """The calibration images, for the precisions that need them."""
    if wildcards.precision != "int8":
        return []
    return paths.CALIBRATION_ARRAY.format(spec=SPECS[wildcards.model])


def array_of(wildcards):
    """The preprocessed evaluation images of a model."""
    return paths.ARRAY.format(dataset=STUDY["dataset"], spec=SPECS[wildcards.model])


SOURCE_OPTIONS = (
    " --files {params.files:q} --file {params.source[file]:q} --format {params.source[format]:q}"
    " --architecture {params.source[architecture]:q}"
)


# Export a model to the interchange files.
rule export:
    input:
        code=source_code("export"),
        environment=lambda w: needs_environment(source_of(w.model).FRAMEWORK),
        fetched=paths.MODEL_FILES,
    output:
        paths.INTERCHANGE,
    log:
        paths.log(paths.INTERCHANGE),
    params:
        python=lambda w: python_of(source_of(w.model).FRAMEWORK),
        files=lambda w: str(paths.payload(paths.MODEL_FILES.format(model=w.model))),
        source=lambda w: MODELS[w.model]["source"],
        shape=lambda w: json.dumps(preprocess.input_shape(MODELS[w.model]["input"])),
    conda:
        lambda w: f"../../envs/{source_of(w.model).FRAMEWORK}.yaml"
    priority: 10**9
    shell:
        THERE
        + " --timeout {STUDY[convert][timeout_s]} -- export"
        + SOURCE_OPTIONS
        + " --shape {params.shape:q} --out {output:q}"


# Scores of the model's source in its own runtime, for parity.
rule reference:
    input:
        code=source_code("reference"),
        environment=lambda w: needs_environment(source_of(w.model).FRAMEWORK),
        fetched=paths.MODEL_FILES,
        array=array_of,
    output:
        paths.REFERENCE,
    log:
        paths.log(paths.REFERENCE),
    params:
        python=lambda w: python_of(source_of(w.model).FRAMEWORK),
        files=lambda w: str(paths.payload(paths.MODEL_FILES.format(model=w.model))),
        source=lambda w: MODELS[w.model]["source"],
        size=STUDY["parity"]["images"],
        scores=lambda w: scores_of(w.model),
    conda:
        lambda w: f"../../envs/{source_of(w.model).FRAMEWORK}.yaml"
    priority: 10**9
    shell:
        THERE
        + " --timeout {STUDY[parity][timeout_s]} -- reference"
        + SOURCE_OPTIONS
        + " --array {input.array:q} --count {params.size} --scores {params.scores} --out {output:q}"


# Convert a model to a framework's own format.
rule convert:
    input:
        code=lambda w: modules.sources("stages.convert", f"frameworks.{w.framework}"),
        environment=lambda w: needs_environment(frameworks.converter(w.framework, w.precision)),
        interchange=paths.INTERCHANGE,
        calibration=calibration_array,
    output:
        paths.CONVERTED,
    log:
        paths.log(paths.CONVERTED),
    params:
        python=lambda w: python_of(frameworks.converter(w.framework, w.precision)),
        calibration=lambda w, input: f"--calibration {input.calibration}" if input.calibration else "",
    conda:
        lambda w: f"../../envs/{frameworks.converter(w.framework, w.precision)}.yaml"
    priority: 10**9
    shell:
        THERE
        + " --timeout {STUDY[convert][timeout_s]} -- convert --framework {wildcards.framework}"
        " --precision {wildcards.precision} --source {input.interchange:q} {params.calibration} --out {output:q}"
