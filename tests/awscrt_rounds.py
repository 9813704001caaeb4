"""Encodes and decodes with the CBOR of `awscrt`, as often as the argument says, and prints what came back the last time."""

import sys

from awscrt.cbor import AwsCborDecoder, AwsCborEncoder

VALUE = {"a text that is longer than a first buffer": [1, -2, 3.5, b"bytes", {"inner": [None, True]}], "n": 2**40}


def round_trip():
    encoder = AwsCborEncoder()
    encoder.write_data_item(VALUE)
    data = encoder.get_encoded_data()
    return AwsCborDecoder(data).pop_next_data_item()


for _ in range(int(sys.argv[1]) - 1):
    round_trip()
print(round_trip() == VALUE)
