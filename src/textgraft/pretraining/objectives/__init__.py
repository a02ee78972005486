"""What is learned from raw text, an objective a file."""
