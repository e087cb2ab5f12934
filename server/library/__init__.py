"""What the keeper of the videos does: look into files, import them, make samples."""
