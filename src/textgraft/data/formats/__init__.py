"""From bytes to rows: a file format each."""
