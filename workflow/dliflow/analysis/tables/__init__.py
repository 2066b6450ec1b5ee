"""The tables, one file each: rows from the plan, figures from the records. Their columns are declared in `columns`."""
