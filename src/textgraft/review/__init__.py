"""What needs a person: a store of items to decide, doubted labels, drift, and what to label next."""
