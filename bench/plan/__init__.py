"""What an audience takes, by the measured costs."""
