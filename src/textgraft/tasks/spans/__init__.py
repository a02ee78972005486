"""Tasks whose answers are spans of the text."""
