"""What a study is: its checked config, its plan, its paths and environments. Nothing is run here."""
