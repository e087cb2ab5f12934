"""HLS out of the row as it is: generated heads and spans of its bytes. No I/O."""
