"""A collection of studies: a folder to which finished studies are added, and the static site that is made of it.

`entry` says what is published of a study, `publish` adds it, `shelf` reads what is there. `history` puts the figures of
all studies on lines, and decides which may share one; `charts`, `listings` and `site` show them in the report's look.
A study that is in a collection is never changed: only a mark that it is invalid may be laid beside it.
"""
