"""What several libraries share."""
