"""Hours of mixed load and faults: is every byte right, and does nothing grow?"""
