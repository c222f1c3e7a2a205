"""A purchase that goes wrong because of a stale price, and the way from its span to the mistake."""
