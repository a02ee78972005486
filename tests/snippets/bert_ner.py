import json
from pathlib import Path

import textgraft

people = ["John", "Mary", "Ada", "Peter"]
firms = ["Google", "Siemens", "Toyota", "Nokia"]
places = ["California", "Berlin", "Japan", "London"]
with Path("train.jsonl").open("w") as file:
    for person in people:
        for firm in firms:
            for place in places:
                row = {
                    "tokens": [person, "works", "at", firm, "in", place],
                    "tags": ["B-PER", "O", "O", "B-ORG", "O", "B-LOC"],
                }
                file.write(json.dumps(row) + "\n")

trained = textgraft.train(
    "train.jsonl", "tagger", contender="bert-finetuned", settings={"epochs": 6, "batch_size": 8}
)
print(trained.trial.metrics)

ner = textgraft.pipeline("ner", "tagger", aggregation_strategy="simple")
entities = ner("Anna works at Microsoft in Paris.")
print(entities)
assert [(entity["entity_group"], entity["word"]) for entity in entities] == [
    ("PER", "Anna"),
    ("ORG", "Microsoft"),
    ("LOC", "Paris"),
]
