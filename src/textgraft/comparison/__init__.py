"""Many trials of contenders on one data set, judged."""
