"""What a learner does: the words that are due, the answers, the page for both."""
