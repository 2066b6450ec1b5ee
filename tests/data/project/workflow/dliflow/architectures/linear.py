"""Named by the test model; the source format needs no more than its name."""
