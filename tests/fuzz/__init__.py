"""Fuzzing: whatever comes from outside is read without a fault, and read right.

python -m tests.fuzz --list names the targets. Each is a function fuzz_TARGET(data) in a
module of its subject that raises when the code under test is wrong.
"""
