# Reads the config before Snakemake does, which names neither the line of a mistake nor a key that stands twice.

import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

sys.path.insert(0, str(Path(workflow.basedir) / "workflow"))

from dliflow import config as configuration
from dliflow import yaml_files
from dliflow.errors import DliflowError


def checked(function, *arguments):
    """Call, and turn a user's error into a message of the workflow without a traceback."""
    try:
        return function(*arguments)
    except DliflowError as error:
        raise WorkflowError(str(error)) from None


checked(configuration.readable, ["config/config.yaml", *workflow.configfiles])
