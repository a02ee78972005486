"""What can be asked, by whose form it has."""
