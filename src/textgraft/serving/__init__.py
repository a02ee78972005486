"""Models behind HTTP: one process, one encoder in memory, all tasks."""
