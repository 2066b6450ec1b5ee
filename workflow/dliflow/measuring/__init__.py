"""What runs a converted model: sessions, the timing loop, workers. Needs the standard library and numpy only."""
