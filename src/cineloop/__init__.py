"""Cineloop: the machine-learning platform of a studio or streamer, one loop from pitch to play."""

__version__ = "0.1.0"
