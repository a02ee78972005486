"""Tasks whose answer is a label or a number for a text."""
