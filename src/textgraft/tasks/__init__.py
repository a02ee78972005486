"""One file a task: its columns, collation, decoding and metrics."""
