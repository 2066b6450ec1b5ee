"""What people read, made of the CSV tables alone: plots, the page and the summary for the terminal.

`read` gives rows; `conclusion`, `missing`, `times` and `machines` turn them into what is to be said; `plots`, `page`
and `summary` say it, in the words of `names` and the numbers of `units`.
"""
