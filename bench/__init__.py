"""Side by side with its peers: the same videos, the same requests, one run."""
