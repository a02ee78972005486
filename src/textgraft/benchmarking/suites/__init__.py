"""The suites of public sets, one file each, and the figures that were published for them."""
