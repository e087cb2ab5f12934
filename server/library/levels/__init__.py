"""Smaller encodings of clips, and the queue of those to be made."""
