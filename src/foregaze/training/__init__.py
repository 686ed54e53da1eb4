"""Recipes and the training that they describe."""
