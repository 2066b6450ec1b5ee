"""What several source formats share."""
