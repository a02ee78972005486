"""Texts that go on: read token by token, answered at any time, and never read twice."""
