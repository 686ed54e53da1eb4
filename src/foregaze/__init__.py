"""foregaze predicts where people look in an image."""

__version__ = "0.1.0"
