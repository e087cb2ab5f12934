"""The load generator: what it asks, how it sees that the answers are right."""
