from pathlib import Path

import textgraft

people = ["John", "Mary", "Ada"]
firms = ["Google", "Siemens", "Toyota"]
places = ["California", "Berlin", "Japan"]
sentences = [
    f"{person} B-PER\nworks O\n{word} O\n{firm} B-ORG\nin O\n{place} B-LOC\n"
    for person in people
    for word in ("at", "for")
    for firm in firms
    for place in places
]
Path("train.conll").write_text("\n".join(sentences))

# A BiLSTM-CRF that reads the characters of each word, too.
trained = textgraft.train(
    "train.conll",
    "tagger",
    contender="lstm-crf",
    settings={"epochs": 20, "batch_size": 8, "dropout": 0.2, "embedding_dropout": 0.2},
)

prediction = trained.predictor.predict(["John works at Google in California"])[0]
print(prediction.answer)
assert prediction.answer == ["B-PER", "O", "O", "B-ORG", "O", "B-LOC"]

ner = textgraft.pipeline("ner", "tagger", aggregation_strategy="simple")
assert [(entity["entity_group"], entity["word"]) for entity in ner("Ada works for Toyota in Berlin")] == [
    ("PER", "Ada"),
    ("ORG", "Toyota"),
    ("LOC", "Berlin"),
]
