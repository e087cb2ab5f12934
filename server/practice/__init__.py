"""The learner's side over HTTP: words that are due, answers, views of clips."""
