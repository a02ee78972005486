"""Review items and decisions in the forms of annotation tools and of tables."""
