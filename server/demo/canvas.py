"""A picture to paint on, plane by plane."""

from __future__ import annotations

import math

import av

Color = tuple[int, int, int]  # Y, U, V

WHITE: Color = (235, 128, 128)
DARK: Color = (24, 128, 128)
# Five rows of three cells, read from the top; a bit is a lit cell.
GLYPHS = {
    "0": (7, 5, 5, 5, 7),
    "1": (2, 6, 2, 2, 7),
    "2": (7, 1, 7, 4, 7),
    "3": (7, 1, 7, 1, 7),
    "4": (5, 5, 7, 1, 1),
    "5": (7, 4, 7, 1, 7),
    "6": (7, 4, 7, 5, 7),
    "7": (7, 1, 1, 2, 2),
    "8": (7, 5, 7, 5, 7),
    "9": (7, 5, 7, 1, 7),
    ":": (0, 2, 0, 2, 0),
    ".": (0, 0, 0, 0, 2),
}


class Canvas:
    """A yuv420p picture to paint on, with the row lengths FFmpeg wants."""

    def __init__(self, width: int, height: int) -> None:
        self.frame = av.VideoFrame(width, height, "yuv420p")
        self.strides = [plane.line_size for plane in self.frame.planes]
        self.planes = [bytearray(plane.buffer_size) for plane in self.frame.planes]

    def fill(self, x: int, y: int, width: int, height: int, color: Color) -> None:
        """Paint a rectangle; odd edges are rounded for the colour planes."""
        for index, value in enumerate(color):
            shift = int(index > 0)
            stride, plane = self.strides[index], self.planes[index]
            row = bytes([value]) * (width >> shift)
            for line in range(y >> shift, (y + height) >> shift):
                start = line * stride + (x >> shift)
                plane[start : start + len(row)] = row

    def disc(self, x: int, y: int, radius: int, color: Color) -> None:
        """Paint a disc around (x, y), two lines at a time; all three are even."""
        for line in range(-radius, radius, 2):
            half = math.isqrt(radius * radius - line * line)
            self.fill(x - half, y + line, 2 * half, 2, color)

    def write(self, x: int, y: int, cell: int, text: str) -> None:
        """Paint text in white on dark, each cell of a glyph a square of pixels.

        Only in light and shade: the ground below it must be without colour.
        """
        stride, plane = self.strides[0], self.planes[0]
        squares = bytes([DARK[0]]) * cell, bytes([WHITE[0]]) * cell
        for row in range(5):
            bits = "".join(f"{GLYPHS[letter][row]:03b}0" for letter in text)
            line = b"".join(squares[bit == "1"] for bit in bits)
            first = (y + row * cell) * stride + x
            for start in range(first, first + cell * stride, stride):
                plane[start : start + len(line)] = line

    def finish(self) -> av.VideoFrame:
        """Return what was painted as a frame."""
        for plane, pixels in zip(self.frame.planes, self.planes, strict=True):
            plane.update(bytes(pixels))
        return self.frame
