"""What `pytest --memtrace` says of each is in its name."""

import leaky
import pytest


def test_passes_clean():
    leaky.fine()


def test_fails_loses():
    leaky.lose()


@pytest.mark.memtrace(limit="2 KB")
def test_passes_allowed():
    leaky.lose()


@pytest.mark.memtrace(limit="999")
def test_fails_more_than_allowed():
    leaky.lose()


@pytest.mark.memtrace(modules=["elsewhere*"])
def test_passes_elsewhere():
    leaky.lose()


@pytest.mark.oom(modules=["*leaky*"])
def test_passes_careful():
    leaky.careful()


@pytest.mark.oom(modules=["*leaky*"])
def test_fails_careless():
    leaky.careless()


@pytest.mark.oom(modules=["*leaky*"])
def test_fails_forgetful():
    leaky.forgetful()


@pytest.mark.parametrize("text", ["a", "b"])
def test_passes_with_fixtures(tmp_path, text):
    (tmp_path / text).write_text(text)
