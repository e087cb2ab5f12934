"""The demo's clips, words and learners: nothing of it is needed in production."""
