"""What a model's answers to labelled rows say of it: the record, how it is gathered and how it is shown."""
