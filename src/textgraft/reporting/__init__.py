"""What the reports share, of a comparison and of an evaluation: the page, its plots and its tables."""
