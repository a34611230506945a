"""Lanes, batches and isolation: nothing lost, nothing out of order, memory bounded."""

import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from elenco.compute import batches, runtime
from elenco.compute.batches import Batches
from elenco.compute.isolate import isolate
from elenco.compute.lanes import in_lanes
from elenco.compute.runtime import compile_network, runtime_of
from elenco.errors import ConfigError, OutOfMemory
from elenco.settings import Compute


@pytest.mark.parametrize("lanes", [1, 3])
def test_results_come_in_the_order_of_the_chunks(lanes):
    def work(n):
        time.sleep(0.01 if n % 3 == 0 else 0)
        return n * n

    assert list(in_lanes(work, range(20), lanes)) == [n * n for n in range(20)]
    assert list(in_lanes(work, [], lanes)) == []


def test_no_more_chunks_are_taken_than_there_are_lanes():
    taken, given_back = [], 0

    def chunks():
        for n in range(50):
            taken.append(n)
            yield n

    for _ in in_lanes(lambda n: n, chunks(), 3):
        given_back += 1
        assert len(taken) - given_back <= 3
    assert given_back == 50


def test_lanes_work_at_the_same_time():
    together = threading.Barrier(3, timeout=30)
    assert len(list(in_lanes(lambda _: together.wait(), range(6), 3))) == 6


def test_a_failure_is_raised_and_nothing_more_is_begun():
    begun = []

    def work(n):
        begun.append(n)
        if n == 5:
            raise KeyError(n)
        return n

    done = []
    with pytest.raises(KeyError):
        for n in in_lanes(work, range(1000), 2):
            done.append(n)
    assert done == [0, 1, 2, 3, 4]
    assert len(begun) < 20


@given(st.lists(st.booleans(), max_size=40))
def test_what_breaks_a_batch_is_found_and_nothing_else_is_lost(bad):
    def work(items):
        if any(bad[i] for i in items):
            raise ValueError("poisoned")
        return [-i for i in items]

    if len(bad) > 1 and all(bad):
        with pytest.raises(ValueError, match="poisoned"):
            isolate(work, range(len(bad)))
        return
    results = isolate(work, range(len(bad)))
    assert [isinstance(r, ValueError) for r in results] == bad
    assert [r for r in results if not isinstance(r, ValueError)] == [
        -i for i, b in enumerate(bad) if not b
    ]


def test_one_of_a_thousand_costs_few_more_calls():
    calls = []

    def work(items):
        calls.append(len(items))
        if 637 in items:
            raise RuntimeError
        return items

    results = isolate(work, range(1000))
    assert [i for i, r in enumerate(results) if isinstance(r, RuntimeError)] == [637]
    assert len(calls) < 30


def test_too_little_memory_is_no_fault_of_an_item():
    def work(items):
        raise OutOfMemory("a batch of 4")

    with pytest.raises(OutOfMemory):
        isolate(work, range(4))


class SmallDevice:
    """Stands for a model's compiled form: doubles its input, in batches that fit."""

    name = "small"

    def __init__(self, fits):
        self.fits = fits
        self.compiled = []

    def compile(self, model, shape, compute):
        self.compiled.append(shape)

        def network(batch):
            assert batch.shape == shape
            if len(batch) > self.fits:
                raise OutOfMemory(f"a batch of {len(batch)}")
            return [batch * 2, batch.sum(axis=1)]

        return network


@pytest.fixture
def device(monkeypatch):
    def make(fits):
        made = SmallDevice(fits)
        monkeypatch.setattr(batches, "compile_network", made.compile)
        return made

    return make


@given(n=st.integers(1, 40), size=st.integers(1, 16), fits=st.integers(1, 16))
@hypothesis(max_examples=60)
def test_batches_are_halved_until_they_fit_and_every_item_is_answered(n, size, fits):
    made = SmallDevice(fits)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "compile_network", made.compile)
        run = Batches(made, (3,), size, Compute())
        items = np.arange(3.0 * n, dtype=np.float32).reshape(n, 3)
        doubled, sums = run(items)
        np.testing.assert_array_equal(doubled, items * 2)
        np.testing.assert_array_equal(sums, items.sum(axis=1))
        compiled = len(made.compiled)
        run(items)
        assert len(made.compiled) == compiled  # it stays as small as it had to be


def test_one_item_that_does_not_fit_is_an_error(device):
    run = Batches(device(0), (3,), 8, Compute())
    with pytest.raises(OutOfMemory):
        run(np.ones((5, 3), np.float32))


def test_threads_share_the_halving(device):
    made = device(2)
    run = Batches(made, (3,), 16, Compute())
    items = np.arange(300, dtype=np.float32).reshape(100, 3)
    answers = list(in_lanes(lambda _: run(items)[0], range(8), 4))
    assert all(np.array_equal(answer, items * 2) for answer in answers)
    assert made.compiled == [(16, 3), (8, 3), (4, 3), (2, 3)]


@pytest.fixture(scope="module")
def model():
    runtime.backend()
    import keras

    keras.utils.set_random_seed(0)
    image = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(8, 3, activation="relu")(image)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, [keras.layers.Dense(4)(x), keras.layers.Dense(2)(x)])


@pytest.mark.parametrize("name", ["keras", "openvino"])
def test_every_runtime_gives_the_models_outputs(model, name):
    batch = np.random.default_rng(0).uniform(0, 255, (5, 16, 16, 3)).astype(np.float32)
    network = compile_network(model, (5, 16, 16, 3), Compute(runtime=name))
    for got, expected in zip(network(batch), model(batch), strict=True):
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, np.asarray(expected), rtol=1e-4, atol=1e-3)


def test_answers_are_not_overwritten_by_the_next(model):
    network = compile_network(model, (1, 16, 16, 3), Compute(runtime="openvino"))
    first = network(np.zeros((1, 16, 16, 3), np.float32))[0]
    before = first.copy()
    network(np.full((1, 16, 16, 3), 200, np.float32))
    np.testing.assert_array_equal(first, before)


def test_lower_precision_is_near(model):
    batch = np.random.default_rng(0).uniform(0, 255, (2, 16, 16, 3)).astype(np.float32)
    network = compile_network(model, (2, 16, 16, 3), Compute(runtime="keras", precision="bfloat16"))
    exact = np.asarray(model(batch)[0])
    got = network(batch)[0]
    assert got.dtype == np.float32
    assert not np.array_equal(got, exact)
    np.testing.assert_allclose(got, exact, rtol=0.05, atol=0.05 * np.abs(exact).max())


def test_auto_is_openvino_on_a_cpu_and_keras_where_it_is_not_installed(monkeypatch):
    monkeypatch.setattr(runtime, "on_gpu", lambda: False)
    assert runtime_of(Compute()) == "openvino"
    monkeypatch.setattr(runtime, "find_spec", lambda name: None)
    assert runtime_of(Compute()) == "keras"
    with pytest.raises(ConfigError, match=r"pip install openvino.*COMPUTE__RUNTIME"):
        runtime_of(Compute(runtime="openvino"))


def test_auto_is_keras_on_a_gpu(monkeypatch):
    monkeypatch.setattr(runtime, "on_gpu", lambda: True)
    assert runtime_of(Compute()) == "keras"


def test_float16_is_refused_on_a_cpu(model):
    with pytest.raises(ConfigError, match="for GPUs"):
        compile_network(model, (1, 16, 16, 3), Compute(runtime="openvino", precision="float16"))


QUIET = """
import sys
asked = []
outward = {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"}
sys.addaudithook(lambda name, args: asked.append(args) if name in outward else None)
import numpy as np
from elenco.compute.runtime import backend, compile_network
from elenco.settings import Compute
backend()
import keras
image = keras.Input((8, 8, 3))
model = keras.Model(image, keras.layers.Conv2D(2, 3)(image))
network = compile_network(model, (1, 8, 8, 3), Compute(runtime="openvino"))
network(np.zeros((1, 8, 8, 3), np.float32))
assert sys.modules["openvino_telemetry"] is None
print(asked)
"""


def test_openvino_tells_nobody():
    """It would report its use to Google Analytics."""
    done = subprocess.run([sys.executable, "-c", QUIET], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr[-2000:]
