"""A run of the workflow as a whole: what it left undone, what the terminal shows at its end. No single stage."""
