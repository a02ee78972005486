"""From rows to data sets: a shape of data each."""
