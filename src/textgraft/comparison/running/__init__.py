"""Planning trials and running them."""
