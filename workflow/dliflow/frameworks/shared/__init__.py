"""What a framework's running and its conversion share. No framework's name is found here."""
