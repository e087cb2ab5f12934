"""What an MP4 file says, box by box. No I/O."""
