"""A checkpoint as a model that takes raw text: packed, logged, registered."""
