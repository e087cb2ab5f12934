"""Captions of clips: read, cleaned and kept as WebVTT, one for each language."""
