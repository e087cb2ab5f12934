"""What stands in front of the server: nginx, or a CDN."""
