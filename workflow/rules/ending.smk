# The beginning and the end of a run: what is refused before the first job, and what is told after the last.

import atexit
import shlex
import subprocess
import threading
import time
from functools import partial

import snakemake.common
import snakemake.output_index
import snakemake.rules
from snakemake.settings.enums import Quietness

from dliflow.files import digest, write_json
from dliflow.machine import launch, slurm
from dliflow.records import marks, notes
from dliflow.runs import ending, engine, forecast, remaining, terminal, unfinished
from dliflow.study import nodes, prerequisites, source_code

# What measures, but for the rule `profile`, which only tells what others have measured.
MEASURING_RULES = {*plan.MEASURING, "profile_one"} - {"profile"}
# Nodes that SLURM gives, and those of them that were given back since all was measured there.
BY_SLURM = {name for name, entry in STUDY.nodes.items() if entry["slurm"] is not None}
RELEASED = set()
# A dry run that does not list its jobs need not go through them: Snakemake then ends with their numbers, as with `--quiet`,
# and `tell_what_would_run` tells the rest.
NUMBERS_ONLY = workflow.output_settings.dryrun and workflow.output_settings.quiet == {Quietness.RULES}
if NUMBERS_ONLY:
    workflow.output_settings.quiet = {Quietness.RULES, Quietness.PROGRESS}
engine.ask_functions_once(snakemake.common, snakemake.rules)
engine.find_producers_once(snakemake.output_index.OutputIndex)


def records():
    """Every record of the study."""
    return [record for stage in PLAN for record in plan.records(PLAN, stage)]


def lost():
    """Outputs that the study needs and that are gone since their jobs failed or were stopped."""
    return unfinished.missing(plan.needed(PLAN), unfinished.read(Path(paths.UNFINISHED)))


def whole(rule):
    """Input function without files: refuse to call a page finished that the end of a failed run wrote.

    Snakemake looks for the mark beside it only where the rule, or `all`, is the target.
    """

    def check(wildcards):
        asked = {str(target) for target in workflow.dag_settings.targets}
        pages = [page for page in asked.intersection(paths.PAGES[rule]) if Path(page).exists()]
        if pages and not Path(paths.MARKS[rule]).exists():
            raise refused(f"{pages[0]}: is of a study that is not finished; ask for {rule}, or for all of it: all")
        return []

    return check


def in_this_run(rule):
    """Whether the targets of this run ask for what a rule makes, though it may be there already."""
    return any(job.rule.name == rule for job in workflow.dag.jobs)


def measured_on(job):
    """The node of which a job takes the whole machine; None for one that does not measure."""
    return None if job.is_group() or job.rule.name not in MEASURING_RULES else job.wildcards_dict["node"]


def measuring_nodes():
    """The entries of the nodes on which this run is to measure."""
    names = set(map(measured_on, workflow.dag.needrun_jobs())) - {None}
    return {name: STUDY.nodes[name] for name in sorted(names)}


def check_machine():
    """Raise what this machine does not give to this run: folders to write to (every job would fail by itself), and the
    launch of what is measured here.
    """
    makes = any(job.rule.name == "environment" for job in workflow.dag.needrun_jobs())
    folder = Path(CONFIG["environments"]["folder"])
    refusals = prerequisites.unwritable(prerequisites.folders_of_results(Path()))
    refusals = refusals or (prerequisites.closed(folder) if makes else [])
    if refusals:
        raise DliflowError("\n".join(refusals))
    if any(map(nodes.here, measuring_nodes().values())):
        launch.check(CONFIG["launch"])


def release(name):
    """Give back a node that SLURM holds for measurements of this folder."""
    if Path(paths.LEASE.format(node=name)).exists():
        slurm.release(name)


def release_the_measured(ready):
    """Give back each node on which this run has measured all that it was to: the rest of the run needs no such machine.

    Args:
        ready: the nodes on which a measurement can be started.
    """
    for name in BY_SLURM - RELEASED - ready:
        if not any(measured_on(job) == name for job in workflow.dag.needrun_jobs()):
            RELEASED.add(name)
            threading.Thread(target=release, args=[name]).start()  # a busy controller answers late


def release_nodes():
    """Give back all of them at the end of a run."""
    for name in sorted(BY_SLURM):
        release(name)


def compare_the_rest():
    """After failures: compare those that are well where something that failed kept a comparison from starting."""
    if (
        begun() is not None and not HANDED_OVER
    ):  # else it ended before it began, or this is not the machine to measure on
        remaining.make(PLAN, left(), begun())


def begun():
    """When this run was, in seconds since 1970; None where it ended before."""
    run = notes.run(Path(paths.RUN)) if Path(paths.RUN).exists() else None
    return None if run is None else run["started"]


def left():
    """The jobs that this run was to make and did not."""
    return [
        remaining.Job(
            outputs=[str(path) for path in job.output],
            inputs=[str(path) for path in job.input],
            log=str(job.log[0]) if job.log else "",
            command=(lambda job=job: job.shellcmd) if job.rule.name in plan.MEASURING else None,
            compares=job.rule.name == "compare",
        )
        for job in workflow.dag.needrun_jobs()
    ]


def stopped(failed):
    """Whether somebody stopped this run, who wants the prompt back."""
    return not failed or (begun() is not None and remaining.cut_short(left(), begun()))


def remember(failed):
    """Write down what this run was to make and did not, beside what is still missing from runs before."""
    before = unfinished.read(Path(paths.UNFINISHED))
    missing = {output: before[output] for output in before if not Path(output).exists()}
    write_json(Path(paths.UNFINISHED), {**missing, **unfinished.outputs(workflow.dag, failed)})


def tell_the_tables():
    """Write what they are made from beside the records."""
    of_study = options.of_tables(STUDY)
    write_json(Path(paths.STUDY.format(digest=digest(of_study))), of_study)


def finished(*stages):
    """Whether tables, plots and report could be made of what there is; or some of them, by the names of their stages."""
    given = ["--unfinished", paths.UNFINISHED, "--report", options.report(STUDY)]
    given += [f"--stage={stage}" for stage in stages]
    command = [sys.executable, "-m", "dliflow", "finish", *given, "--"]
    environment = {**os.environ, "PYTHONPATH": "workflow"}
    try:
        return subprocess.run([*command, *shlex.split(options.tables(STUDY))], env=environment).returncode == 0
    except KeyboardInterrupt:
        return False  # pressed again: without pages, then


def planned(jobs):
    """Jobs of the DAG as forecasts know them: those that run a stage."""
    return [
        forecast.Job(
            id=job.jobid,
            stage=job.rule.name if job.rule.name in plan.MEASURING else forecast.stage_of(job.rule.shellcmd),
            log=str(job.log[0]),
            wildcards=job.wildcards_dict,
            needs=frozenset(needed.jobid for needed in workflow.dag.dependencies[job]),
        )
        for job in jobs
        if forecast.stage_of(job.rule.shellcmd)
    ]


def to_run():
    """Those that this run is to make or has made."""
    return planned(workflow.dag.needrun_jobs(exclude_finished=False))


def durations():
    """What jobs are expected to take, as far as the study's earlier runs tell."""
    known = forecast.Durations(CONFIG)
    known.learn_of_earlier_runs(planned(workflow.dag.jobs))
    return known


def side_by_side():
    """How many jobs run side by side at most."""
    return max(1, (workflow.cores if workflow.local_exec else workflow.nodes) or 1)


def tell_what_would_run():
    """At the end of a dry run: why jobs would run, by part of the study how many, about how long they would take, and what
    would keep them from it here.
    """
    if not workflow.dryrun or workflow.dag is None:
        return
    needed = workflow.dag.needrun_jobs()
    why = forecast.reasons((job.rule.name, workflow.dag.reason(job).get_names()) for job in needed)
    lines = forecast.forecast(to_run(), durations(), side_by_side())
    for text in (why if NUMBERS_ONLY else None, lines):
        if text:
            print(f"\n{text}", file=sys.stderr, flush=True)  # where Snakemake speaks
    try:
        check_machine()
    except DliflowError as error:
        print(f"\nHere the run would be refused:\n{error}", file=sys.stderr, flush=True)


if workflow.is_main_process:
    atexit.register(tell_what_would_run)


onstart:
    # Snakemake's bound on jobs per second wakes the scheduler once a second more for each job that has run: after a
    # hundred jobs that took a tenth of the processors away from measurements. Jobs on this machine need no such bound.
    if workflow.local_exec:
        workflow.scheduler.job_rate_limiter = None
    else:
        engine.look_again_once(workflow.scheduler)
    engine.choose_among_few(workflow.scheduler, measured_on, release_the_measured)
    engine.keep_the_plan(workflow.dag, "convert")
    checked(check_machine)
    checked(nodes.check_places, measuring_nodes(), workflow.local_exec, CONTAINER, ORIGIN)
    source_code.note()
    tell_the_tables()
    Path(paths.PARTIALS).unlink(missing_ok=True)  # it is of the last run
    # Until the tables are made anew, what people read is not complete.
    if not workflow.touch and any(job.rule.name == "tables" for job in workflow.dag.needrun_jobs()):
        marks.remove(paths.MARKS.values())
    write_json(Path(paths.RUN), {"started": time.time(), "command": " ".join(["snakemake", *sys.argv[1:]])})
    if DISPLAY is not None and not {Quietness.ALL, Quietness.PROGRESS}.intersection(
        workflow.output_settings.quiet or ()
    ):
        DISPLAY.begin(to_run, durations(), side_by_side())


onsuccess:
    if DISPLAY is not None:
        DISPLAY.end()
    release_nodes()
    if in_this_run("profile"):
        terminal.last(f"\n{Path(paths.PROFILES).read_text(encoding='utf-8').rstrip()}")
    if in_this_run("report"):
        terminal.last(f"\n{Path(paths.SUMMARY).read_text(encoding='utf-8').rstrip()}")


# After failures: make tables, plots and report of what there is, and say what happened. When it was stopped only the
# tables, which take seconds: no row may have figures that today's configuration did not make. The marks go first, so that
# whatever becomes of the rest the study is not finished. A run for single files that has no tables among them knows nothing
# of the other rows, and leaves tables and report alone.
onerror:
    if DISPLAY is not None:
        DISPLAY.end()
    marks.remove(paths.MARKS.values())
    failed = workflow.scheduler.failed
    in_a_hurry = stopped(failed)
    if not in_a_hurry:
        compare_the_rest()
    release_nodes()
    remember(failed)
    waiting = sum(
        job not in failed and job.rule.name not in ("all", *paths.MARKS) for job in workflow.dag.needrun_jobs()
    )
    end = partial(ending.failed, [str(job.log[0]) for job in failed], waiting, command=ending.again(sys.orig_argv))
    terminal.last(end(summary=None))
    if in_this_run("tables"):
        if in_a_hurry:
            finished("tables")
        elif finished():
            terminal.last(end(summary=Path(paths.SUMMARY).read_text(encoding="utf-8")))
