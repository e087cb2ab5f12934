"""Sockets and processes: who listens, and what one connection does."""
