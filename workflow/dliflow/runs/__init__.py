"""A run of the workflow as a whole: how far it is, what it left undone, what the terminal shows. No single stage."""
