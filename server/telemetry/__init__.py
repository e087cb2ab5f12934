"""What the server tells of itself: numbers, log lines, a dashboard and alerts."""
