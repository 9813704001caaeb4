"""What `pytest --memtrace` says of each is in its name."""

import leaky
import memtrace
import pytest


def test_passes_clean():
    leaky.fine()


def test_fails_loses():
    leaky.lose_many()


@pytest.mark.memtrace(limit="2 KiB")
def test_passes_allowed():
    leaky.lose_many()


@pytest.mark.memtrace(limit="500")
def test_fails_more_than_allowed():
    leaky.lose_many()


@pytest.mark.memtrace(modules=["elsewhere*"])
def test_passes_elsewhere():
    leaky.lose_many()


@pytest.mark.oom(modules=["*leaky*"])
def test_passes_careful():
    leaky.careful()


@pytest.mark.oom(modules=["*leaky*"])
def test_fails_careless():
    leaky.careless()


@pytest.mark.oom(modules=["*leaky*"])
def test_fails_forgetful():
    leaky.forgetful()


@pytest.mark.oom(modules=["*leaky*"])
def test_fails_crashing():
    leaky.careful()
    leaky.crashing()


@pytest.mark.oom(modules=["*leaky*"])
def test_fails_hanging():
    leaky.hanging()


@pytest.mark.oom(modules=["*leaky*"])
def test_passes_where_a_failure_is_handled():
    try:
        leaky.careful()
    except MemoryError:
        pass


def test_passes_each_path_once():
    def loop():
        for _ in range(50):
            leaky.careful()

    def twice():
        leaky.careful()
        leaky.careful()

    if memtrace.active():
        assert memtrace.sweep(loop, module="*leaky*", each_stack=True) == 2
        assert memtrace.sweep(twice, module="*leaky*", each_stack=True) == 4
        assert memtrace.sweep(twice, module="*leaky*") == 4


@pytest.mark.parametrize("text", ["a", "b"])
def test_passes_with_fixtures(tmp_path, text):
    (tmp_path / text).write_text(text)
