"""Who competes: a family a file, each entry with its recipe and settings."""
