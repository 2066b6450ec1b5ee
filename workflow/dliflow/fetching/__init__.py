"""Files from elsewhere: where they lie, downloads, archives, checksums. What is in them is not looked at here."""
