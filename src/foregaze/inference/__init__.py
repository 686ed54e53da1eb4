"""From an image and a model to a prediction."""
