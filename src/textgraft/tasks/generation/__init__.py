"""Tasks whose answers are written."""
