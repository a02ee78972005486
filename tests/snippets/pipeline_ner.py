# Needs the graft ner
from textgraft import pipeline

ner = pipeline("ner")
text = "John works at Google in California"
tokens = ner(text)
print(tokens)
assert [(token["word"], token["entity"]) for token in tokens] == [
    ("John", "B-PER"),
    ("Google", "B-ORG"),
    ("California", "B-LOC"),
]

entities = ner(text, aggregation_strategy="simple")
print(entities)
assert [(entity["word"], entity["entity_group"]) for entity in entities] == [
    ("John", "PER"),
    ("Google", "ORG"),
    ("California", "LOC"),
]
assert all(text[entity["start"] : entity["end"]] == entity["word"] for entity in entities)
