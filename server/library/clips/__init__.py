"""Is a clip good, and can it be repaired?"""
