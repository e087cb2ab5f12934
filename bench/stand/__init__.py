"""What is measured, and what that needs to run."""
