"""What a comparison keeps on disk, as typed records."""
