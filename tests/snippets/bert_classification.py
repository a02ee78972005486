import csv
from pathlib import Path

import textgraft

praise = ["wonderful", "great", "lovely", "brilliant", "superb"]
blame = ["terrible", "boring", "awful", "dreadful", "poor"]
things = ["film", "story", "meal", "concert", "hotel", "phone"]
with Path("reviews.csv").open("w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(["text", "label"])
    for thing in things:
        writer.writerows((f"What a {word} {thing}.", "POSITIVE") for word in praise)
        writer.writerows((f"What a {word} {thing}.", "NEGATIVE") for word in blame)

# The encoder that comes with textgraft, fine-tuned.
trained = textgraft.train("reviews.csv", "model", contender="bert-finetuned", settings={"epochs": 3})
print(trained.trial.metrics)

classify = textgraft.pipeline("sentiment-analysis", "model")
result = classify(["An excellent book!", "What a horrible, useless book."])
print(result)
assert [entry["label"] for entry in result] == ["POSITIVE", "NEGATIVE"]
