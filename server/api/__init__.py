"""What the JSON routes share."""
