"""A large file predicted or encoded in shards, side by side, and in any number of runs."""
