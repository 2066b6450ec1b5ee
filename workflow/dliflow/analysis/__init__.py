"""From records to tables: all statistics and verdicts. Nothing is measured and nothing is drawn here."""
