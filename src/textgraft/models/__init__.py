"""The lineage from RNN to BERT, one file an idea, each a Transformers model."""
