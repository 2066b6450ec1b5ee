"""What is deployed of a study: a folder for a configuration, with its model and what runs it elsewhere.

`<framework>.py.j2` is the program of a framework, `predict.py`, as a Jinja template; it extends `predict.py.j2`, which
prepares images and prints scores, with three blocks:

`imports`
    Imports the framework.

`load`
    Opens the model in the folder `model`, for batches of `BATCH_SIZE`, as `load` of the framework's file does. The
    lines of code that the framework declares for its settings (`lines`) work on names of this block.

`predict`
    The body of `predict(batch)`: one request, as the session's `predict`.

A template gets `precision`, `variant`, `batch_size`, `shape` (of one input), `files` (of the model, by their paths in
its folder), `settings` (what differs from the framework's defaults) and `lines`. What `{{ }}` writes comes out as
Python writes it, so that a text can only become a literal. `lines|about("net")` are the lines that begin with that
name, `lines|without("net")` all others.

Environment variables are set by `predict.py.j2`, before anything else is imported. A framework without a template gets
all files but the program.
"""
