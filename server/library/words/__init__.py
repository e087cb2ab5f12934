"""Which clip shows which word."""
