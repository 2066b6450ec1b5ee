"""What is deployed of a study: a folder for a configuration, with its model and what runs it elsewhere.

`<framework>.py.j2` is the program of a framework, `predict.py`, as a Jinja template; it extends `predict.py.j2`, which
prepares images and prints scores, with these blocks:

`imports`
    Imports the framework; `standard`, if it is there, what else is needed of the standard library.

`load`
    Opens the model in the folder `model`, for batches of `BATCH_SIZE`, as `load` of the framework's file does.

`predict`
    The body of `predict(batch)`: one request, as the session's `predict`.

A template gets `precision`, `variant`, `batch_size`, `shape` (of one input), `files` (of the model, by their paths in
its folder), `settings` (the value of each launch parameter) and `code`, which the framework's file declares for those
that are not the default. What `{{ }}` writes comes out as Python writes it, so that a text can only become a literal.

It tells in `objects` which of its names such code may mention, in the order in which it makes them:
`code|about(objects, "net")` is the code that comes behind `net`. What mentions none of them, and environment variables,
comes first, before anything is imported. What changes how a request is made, the template does itself.

A template may begin with the package that its program needs, `{# needs openvino>=2023.2 #}`. A framework without a
template, or in a version whose environment has no such package, gets all files but the program.
"""
