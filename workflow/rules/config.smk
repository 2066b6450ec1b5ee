# Reads the config before Snakemake does, which names neither the line of a mistake nor a key that stands twice.

import gc
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.utils import update_config

# A large plan is millions of objects that stay. To look through them for garbage after every 700 new ones, as Python does,
# took an eighth of the time of a dry run of 2,520 measurements.
gc.set_threshold(200_000, 50, 100)
sys.path.insert(0, str(Path(workflow.basedir) / "workflow"))

from dliflow.study import config as configuration
from dliflow.study import yaml_files
from dliflow.runs import ending, terminal
from dliflow.errors import DliflowError

DISPLAY = terminal.taken_over(logger)


def refused(message):
    """The error that ends a run in which nothing was run, told last on the terminal."""
    terminal.refuse(message, ending.refused(message, ending.again(sys.orig_argv)))
    return WorkflowError(message)


def checked(function, *arguments):
    """Call, and turn a user's error into a message of the workflow without a traceback."""
    try:
        return function(*arguments)
    except DliflowError as error:
        raise refused(str(error)) from None


if {"{", "}"}.intersection(workflow.basedir):
    raise refused(
        f"{workflow.basedir}: Snakemake takes what stands in braces for names of its own; move the checkout to a folder "
        "without { and } in its path"
    )
if provider := workflow.storage_settings.default_storage_provider:
    raise refused(
        f"--default-storage-provider {provider}: it would carry the manifests that Snakemake knows, and not the models, "
        "arrays and environments beside them; use a file system that all machines share (docs/cluster.md)"
    )
checked(configuration.readable, ["config/config.yaml", *workflow.configfiles])
of_command_line = workflow.config_settings
update_config(of_command_line.overwrite_config, yaml_files.typed(of_command_line.config))
