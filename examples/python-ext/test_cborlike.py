"""The extension's own tests, of either build of it. `pytest --memtrace` fails each of their allocations below the extension
once: all pass with `corrected.c`, and of `defective.c` each test of the work names what is wrong."""

import cborlike
import pytest

VALUES = [7, "a text that is longer than an encoder's first buffer", [[1], {2: [3]}, "text"]]


def round_trip(value):
    encoder = cborlike.encoder_new()
    return cborlike.decoder_read(cborlike.decoder_new(cborlike.encoder_write(encoder, value)))


@pytest.mark.oom(modules=["*cborlike*"])
def test_an_encoder_comes_and_goes():
    cborlike.encoder_new()


@pytest.mark.oom(modules=["*cborlike*"])
@pytest.mark.parametrize("value", VALUES, ids=["number", "text", "nested"])
def test_what_was_encoded_is_decoded(value):
    assert round_trip(value) == value


def test_nothing_is_kept():
    for _ in range(100):
        round_trip(VALUES)
