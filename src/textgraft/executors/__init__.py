"""Who does work that comes in jobs: this process, other processes of the machine, or a Ray cluster."""
