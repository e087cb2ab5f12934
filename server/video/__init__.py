"""What is answered to GET of a video: parse, plan, read, send."""
