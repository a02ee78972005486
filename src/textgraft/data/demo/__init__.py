"""The text that comes with the package, and synthetic rows."""
