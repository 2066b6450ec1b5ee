"""One module for each stage, found by its file name.

Each has `arguments(parser)`, which declares its options, and `run(args)`, which does the work and
returns None or an exit status.
"""
