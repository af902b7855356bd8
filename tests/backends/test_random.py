"""Random numbers by Philox-4x32-10: published answers, positions, and moments."""

import importlib

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from threadpoolctl import threadpool_limits

from sklearn_ebm.backends._random import GROUP, LANES, Key, Stream
from sklearn_ebm.backends.numpy._random import philox

BACKENDS = ["numpy", "numba"]
N_ROWS, N_COLUMNS = 3000, 83  # rows for pieces of several threads; columns of two groups
SEED = 0x9E3779B9, 12
KEY = Key(SEED, 4)
KNOWN_ANSWERS = {  # counter, key and block of philox4x32 10 in kat_vectors of Random123
    "zeros": ((0,) * 4, (0,) * 2, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    "ones": ((2**32 - 1,) * 4, (2**32 - 1,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    "digits of pi": (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
}


@pytest.fixture(params=BACKENDS)
def backend(request):
    return importlib.import_module(f"sklearn_ebm.backends.{request.param}")


@pytest.fixture(params=[1, 2], ids=["1 thread", "2 threads"])
def _threads(request):
    from numba import get_num_threads, set_num_threads

    before = get_num_threads()
    set_num_threads(min(before, request.param))
    with threadpool_limits(request.param):
        yield
    set_num_threads(before)


def drawn(backend, key=KEY, dtype=np.float64, shape=(N_ROWS, N_COLUMNS)):
    return backend.uniform(np.full(shape, np.nan, dtype), key)


@pytest.mark.parametrize("name", KNOWN_ANSWERS)
def test_blocks_are_those_of_random123(name):
    counter, seed, block = KNOWN_ANSWERS[name]
    words = philox(tuple(np.array([word], np.uint64) for word in counter), seed)
    assert [int(word[0]) for word in words] == list(block)


def test_kernels_draw_the_block_of_random123(backend):
    """A number is (2 n + 1) / 2**24, with n the upper bits of a word; the first of each sixteen."""
    _, seed, block = KNOWN_ANSWERS["zeros"]
    numbers = drawn(backend, Key(seed, 0), shape=(1, GROUP))[0, ::LANES]
    assert_array_equal(numbers, (2 * (np.array(block) >> 9) + 1) / 2**24)


def test_every_place_is_the_word_that_its_formula_says(backend):
    """Column k of row r is word k // 16 % 4 of the block with counter 16 (k // 64) + k % 16, r."""
    key = Key(SEED, (5 << 32) + 4, 1000)
    numbers = drawn(backend, key, shape=(3, 150))
    row, column = np.indices(numbers.shape)
    counter = [16 * (column // 64) + column % 16, 1000 + row, 0 * row + 4, 0 * row + 5]
    words = np.stack(philox([part.astype(np.uint64) for part in counter], SEED))
    word = np.take_along_axis(words, column[None] // 16 % 4, axis=0)[0]
    assert_array_equal(numbers, (2 * (word >> 9) + 1) / 2**24)


@pytest.mark.usefixtures("_threads")
def test_rows_are_the_same_from_any_thread_and_any_backend(backend, dtype):
    reference = importlib.import_module("sklearn_ebm.backends.numpy")
    numbers = drawn(backend, dtype=dtype)
    assert numbers.dtype == dtype
    assert_array_equal(numbers, drawn(reference))  # exact in single precision


def kernels(backend):
    """Return functions of (rows of some fields, key) for each way to draw."""
    random = np.random.default_rng(0)
    bias, deviation = random.standard_normal(N_COLUMNS), random.uniform(1, 2, N_COLUMNS)
    weights = random.standard_normal((N_COLUMNS, N_COLUMNS))

    def gibbs_step(rows, key):
        hidden, keys = (rows > 0).astype(float), (key, key._replace(draw=7))
        visible = backend.gibbs_step(hidden, np.empty_like(rows), weights, (bias, bias), keys)
        return np.hstack([visible, hidden])

    return {
        "uniform": backend.uniform,
        "normal": lambda rows, key: backend.add_normal(rows, deviation, key),
        "Bernoulli": lambda rows, key: backend.bernoulli_sample(rows, bias, 0.5, key),
        "Gibbs": gibbs_step,
    }


@pytest.mark.usefixtures("_threads")
@pytest.mark.parametrize("name", ["uniform", "normal", "Bernoulli", "Gibbs"])
def test_a_piece_of_the_rows_gets_what_the_whole_gives_it(backend, name):
    draw = kernels(backend)[name]
    fields = np.random.default_rng(1).standard_normal((N_ROWS, N_COLUMNS))
    whole = draw(fields.copy(), KEY)
    for first, last in [(0, 1), (7, 90), (1000, N_ROWS)]:
        part = draw(fields[first:last].copy(), KEY.from_row(first))
        assert_array_equal(part, whole[first:last])
        again = draw(fields[first:last].copy(), KEY.from_row(first - 2).from_row(2))
        assert_array_equal(again, part)  # pieces of pieces


def test_uniform_numbers_are_spread_evenly(backend):
    numbers = drawn(backend)
    n = numbers.size
    # Standard errors of the first moments of n numbers, of the shares of 20 bins, and of
    # correlations of neighbours. Five standard errors are exceeded once in two million tests.
    assert abs(numbers.mean() - 1 / 2) < 5 * np.sqrt(1 / 12 / n)
    assert abs(numbers.var() - 1 / 12) < 5 * np.sqrt(1 / 180 / n)
    counts = np.histogram(numbers, 20, (0, 1))[0]
    assert np.all(abs(counts - n / 20) < 5 * np.sqrt(n / 20))
    centred = numbers - 1 / 2
    for product in (
        centred[:, 1:] * centred[:, :-1],
        centred[1:] * centred[:-1],
        centred[:, LANES:] * centred[:, :-LANES],
    ):
        assert abs(product.mean()) < 5 / 12 / np.sqrt(product.size)


def test_no_number_is_zero_or_one(backend, dtype):
    """The least is 2**-24 and the largest 1 - 2**-24, also as 32-bit numbers: logs are finite."""
    numbers = drawn(backend, dtype=dtype, shape=(4000, 4096 if backend.name == "numba" else 64))
    assert numbers.min() >= 2.0**-24
    assert numbers.max() <= 1 - 2.0**-24
    steps = (numbers.astype(float) * 2**24 - 1) / 2
    assert_array_equal(steps, np.round(steps))


def test_normal_numbers_have_the_moments_of_a_normal_distribution(backend):
    deviation = np.linspace(0.5, 2, N_COLUMNS)
    mean = np.linspace(-3, 3, N_COLUMNS)
    drawn = backend.add_normal(np.tile(mean, (N_ROWS, 1)), deviation, KEY)
    normal = (drawn - mean) / deviation
    n = normal.size
    moments = [np.mean(normal**power) for power in (1, 2, 3, 4)]
    errors = np.sqrt(np.array([1, 2, 15, 96]) / n)  # var(z^k) = (2k-1)!! - (E z^k)^2
    assert np.all(abs(np.array(moments) - [0, 1, 0, 3]) < 5 * errors)
    # Cosine and sine of a pair have the same radius, but are linearly independent.
    half = -(-N_COLUMNS // 2)
    product = normal[:, : N_COLUMNS - half] * normal[:, half:]
    assert abs(product.mean()) < 5 / np.sqrt(product.size)


@pytest.mark.parametrize(
    "other", [KEY._replace(draw=5), KEY._replace(draw=4 + (1 << 32)), KEY._replace(seed=(0, 12)),
              KEY._replace(seed=(SEED[0], 13))],
    ids=["draw", "upper word of the draw", "seed", "second word of the seed"],
)  # fmt: skip
def test_each_part_of_a_key_changes_every_draw(backend, other):
    ours, others = drawn(backend), drawn(backend, other)
    # Equal by chance with probability 2**-23 each: 0.03 of 249,000 are expected.
    assert np.mean(ours == others) < 1e-4
    correlation = np.mean((ours - 0.5) * (others - 0.5)) * 12
    assert abs(correlation) < 5 / np.sqrt(ours.size)


def test_bernoulli_units_are_on_as_often_as_their_logits_say(backend):
    bias = np.linspace(-5, 5, N_COLUMNS)
    states = backend.bernoulli_sample(np.ones((N_ROWS, N_COLUMNS)), bias, 0.5, KEY)
    share = 1 / (1 + np.exp(-0.5 - bias))
    assert set(np.unique(states)) == {0, 1}
    assert np.all(abs(states.mean(axis=0) - share) < 5 * np.sqrt(share * (1 - share) / N_ROWS))


def test_logits_beyond_the_range_of_exponents_are_certain(backend, dtype):
    bias = np.array([-1e4, 1e4, -200, 200], dtype)
    states = backend.bernoulli_sample(np.zeros((500, 4), dtype), bias, 1.0, KEY)
    assert_array_equal(states, np.tile([0, 1, 0, 1], (500, 1)).astype(dtype))
    mean = backend.bernoulli_mean(np.zeros((1, 4), dtype), bias)[0]
    assert_allclose(mean, [0, 1, 0, 1], rtol=0, atol=1e-37)
    sums = backend.softplus_sums(np.zeros((2, 4), dtype), bias)
    assert_allclose(sums, 10_200, rtol=4 * np.finfo(dtype).eps)


def test_a_stream_never_gives_the_same_key_twice():
    stream = Stream(np.random.RandomState(0))
    keys = [stream.key() for _ in range(100)]
    assert len(set(keys)) == 100
    assert {key.seed for key in keys} == {stream.seed}
    assert stream.seed != Stream(np.random.RandomState(1)).seed
