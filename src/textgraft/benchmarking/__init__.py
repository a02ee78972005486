"""Public benchmarks in one command: the sets that a folder holds, scored and set beside published rows."""
