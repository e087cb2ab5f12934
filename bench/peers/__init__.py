"""What else serves videos, each written as well as its users would write it."""
