# Needs the graft sentiment
from textgraft import pipeline

classify = pipeline("sentiment-analysis")
result = classify("I love this product!")
print(result)  # [{'label': 'POSITIVE', 'score': …}]

assert [entry["label"] for entry in result] == ["POSITIVE"]
assert 0.5 < result[0]["score"] <= 1
assert classify(["I love this product!", "I hate it, a waste of money."])[1]["label"] == "NEGATIVE"
