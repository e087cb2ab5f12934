"""The histogram of the time to the first picture, as the table playback keeps it."""

FIRST_FRAME_MS = (
    *(100, 150, 200, 250, 300, 400, 500, 650, 800, 1_000, 1_250, 1_500, 2_000),
    *(2_500, 3_000, 4_000, 5_000, 7_500, 10_000, 15_000),
)
"""Upper bounds of the buckets; one more is above them. Whoever changes them has to
convert what the table has."""
