"""Files for other programs, made of the CSV tables: one file here for each kind of them. Nothing is decided here."""
