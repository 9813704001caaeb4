"""Encodes and decodes by the module `cborlike`, and prints what came back.

DRIVE=start ends before the work and DRIVE=end_. behind it: between the two lie the work's allocations.
"""

import os

import cborlike

VALUES = [
    "a text that is longer than an encoder's first buffer",
    [1000, 2000, 3000, 4000],
    {1000: 2000, 3000: 4000},
    [[1001, 2001], {3001: [4001, 5001], 6001: "text"}, "text"],
]


def round_trip(value):
    """The capsules go away with their names."""
    encoder = cborlike.encoder_new()
    data = cborlike.encoder_write(encoder, value)
    decoder = cborlike.decoder_new(data)
    return cborlike.decoder_read(decoder)


def main():
    drive = os.environ.get("DRIVE", "whole")
    if drive == "start":
        os._exit(0)
    for value in VALUES:
        os.write(1, (repr(round_trip(value)) + "\n").encode())
    if drive == "end_.":
        os._exit(0)


main()
