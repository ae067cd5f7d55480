"""The version of aerun."""

__version__ = "0.1.0"
