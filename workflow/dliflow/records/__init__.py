"""What jobs leave on the disk: records, journals, notes, marks. What they mean is for `analysis`."""
