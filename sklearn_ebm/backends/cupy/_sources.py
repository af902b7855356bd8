"""CUDA C++ of all kernels, one template string per family, and the instances that are compiled.

The module does not require CuPy. The tests compile every instance with NVRTC for several
architectures, and once more as plain C++ to compare its results. Therefore the sources must work
with any number of threads per block, including one; threads communicate only through shared memory
and barriers, never through a warp; and all threads of a block reach each barrier.

Arrays are C-contiguous, with one row per block.
"""

from typing import NamedTuple

from sklearn_ebm.backends._random import GROUP, KEY_STEPS, LANES, MULTIPLIERS, ROUNDS, USED_BITS
from sklearn_ebm.backends.cupy._inhibited_source import INHIBITED_DESCENT
from sklearn_ebm.backends.cupy._local_source import LOCAL
from sklearn_ebm.backends.numpy._bernoulli import LARGEST_EXPONENT

C_TYPES = {"float32": "float", "float64": "double"}
RULES = (  # functors of the names in backends/_rules.py
    "SoftThreshold",
    "PositiveSoftThreshold",
    "WeightedSoftThreshold",
    "WeightedPositiveSoftThreshold",
)
OPTIONS = ("--std=c++17",)

COMMON = r"""
// The second argument is the index of the entry in the codes of all rows.
template <typename T>
struct SoftThreshold {
    T threshold;
    __device__ T operator()(T value, size_t = 0) const {
        return value - min(max(value, -threshold), threshold);
    }
};

template <typename T>
struct PositiveSoftThreshold {
    T threshold;
    // max(value - threshold, 0), written so that NaN stays NaN
    __device__ T operator()(T value, size_t = 0) const { return value - min(value, threshold); }
};

template <typename T>
struct WeightedSoftThreshold {
    T threshold;
    const T* weights;
    __device__ T operator()(T value, size_t i) const {
        return SoftThreshold<T>{threshold * weights[i]}(value);
    }
};

template <typename T>
struct WeightedPositiveSoftThreshold {
    T threshold;
    const T* weights;
    __device__ T operator()(T value, size_t i) const {
        return PositiveSoftThreshold<T>{threshold * weights[i]}(value);
    }
};

// As large as the launch says. An array of double, since each type needs its alignment.
extern __shared__ double scratch[];

// Sum over the threads of a block, by halves; `partial` has one place per thread. Every thread gets
// the sum. A second call must not follow without a barrier in between.
template <typename T>
__device__ T block_sum(T value, T* partial) {
    partial[threadIdx.x] = value;
    __syncthreads();
    for (unsigned width = blockDim.x; width > 1;) {
        const unsigned half = (width + 1) / 2;
        if (threadIdx.x + half < width) partial[threadIdx.x] += partial[threadIdx.x + half];
        __syncthreads();
        width = half;
    }
    return partial[0];
}

// The first index of the largest value over the threads of a block; every thread gets it.
// A second call must not follow without a barrier in between.
template <typename T>
__device__ unsigned block_argmax(T value, unsigned index, T* values, unsigned* indices) {
    values[threadIdx.x] = value;
    indices[threadIdx.x] = index;
    __syncthreads();
    for (unsigned width = blockDim.x; width > 1;) {
        const unsigned half = (width + 1) / 2, other = threadIdx.x + half;
        if (other < width) {
            const bool is_larger = values[other] > values[threadIdx.x];
            const bool is_earlier = indices[other] < indices[threadIdx.x];
            if (is_larger || (values[other] == values[threadIdx.x] && is_earlier)) {
                values[threadIdx.x] = values[other];
                indices[threadIdx.x] = indices[other];
            }
        }
        __syncthreads();
        width = half;
    }
    return indices[0];
}
"""

PROXIMAL = r"""
template <typename T, typename Rule>
__device__ T proximal_point(
    T start, T product, T correlation, T step_size, const Rule& rule, size_t i) {
    return rule(start - step_size * (product - correlation), i);
}

template <typename T, typename Rule>
__global__ void plain_step(
    const T* product, const T* correlation, T* code, T* extrapolated, T step_size, Rule rule,
    unsigned n_columns) {
    const size_t row = size_t(blockIdx.x) * n_columns;
    for (unsigned k = threadIdx.x; k < n_columns; k += blockDim.x) {
        const size_t i = row + k;
        const T updated =
            proximal_point(extrapolated[i], product[i], correlation[i], step_size, rule, i);
        code[i] = updated;
        extrapolated[i] = updated;
    }
}

// The first pass sums the restart test, the second computes the same point again and writes:
// reading the row twice from the cache is cheaper than a third array in memory.
template <typename T, typename Rule>
__global__ void accelerated_step(
    const T* product, const T* correlation, T* code, T* extrapolated, T* momentum, T step_size,
    Rule rule, unsigned n_columns) {
    const size_t row = size_t(blockIdx.x) * n_columns;
    const T before = momentum[blockIdx.x];
    T against = 0;
    for (unsigned k = threadIdx.x; k < n_columns; k += blockDim.x) {
        const size_t i = row + k;
        const T updated =
            proximal_point(extrapolated[i], product[i], correlation[i], step_size, rule, i);
        against += (extrapolated[i] - updated) * (updated - code[i]);
    }
    const bool restart = block_sum(against, reinterpret_cast<T*>(scratch)) > 0;
    const T following = restart ? T(1) : (1 + sqrt(1 + 4 * before * before)) / 2;
    const T weight = restart ? T(0) : (before - 1) / following;
    for (unsigned k = threadIdx.x; k < n_columns; k += blockDim.x) {
        const size_t i = row + k;
        const T updated =
            proximal_point(extrapolated[i], product[i], correlation[i], step_size, rule, i);
        extrapolated[i] = updated + weight * (updated - code[i]);
        code[i] = updated;
    }
    if (threadIdx.x == 0) momentum[blockIdx.x] = following;
}
"""

COORDINATE_DESCENT = r"""
// All threads compute the same step of one coordinate, then share the update q -= step * H_j.
// A step of zero, which most atoms take, needs no barrier.
template <typename T, typename Rule>
__global__ void descend(
    const T* gram, T* residual_correlation, T* code, const bool* is_done, Rule rule,
    unsigned n_atoms, unsigned n_sweeps, bool in_shared_memory) {
    if (is_done[blockIdx.x]) return;
    const size_t row = size_t(blockIdx.x) * n_atoms;
    T* stored = residual_correlation + row;
    T* value = code + row;
    T* q = in_shared_memory ? reinterpret_cast<T*>(scratch) : stored;
    if (in_shared_memory) {
        for (unsigned k = threadIdx.x; k < n_atoms; k += blockDim.x) q[k] = stored[k];
        __syncthreads();
    }
    for (unsigned sweep = 0; sweep < n_sweeps; ++sweep) {
        for (unsigned j = 0; j < n_atoms; ++j) {
            const T* column = gram + size_t(j) * n_atoms;
            const T before = value[j];
            // an atom of norm zero explains nothing
            const T updated =
                column[j] > T(0) ? rule(q[j] + column[j] * before, row + j) / column[j] : T(0);
            const T step = updated - before;
            if (step == 0) continue;
            __syncthreads();  // all have read q_j and z_j
            for (unsigned k = threadIdx.x; k < n_atoms; k += blockDim.x) q[k] -= step * column[k];
            if (threadIdx.x == 0) value[j] = updated;
            __syncthreads();
        }
    }
    if (in_shared_memory) {
        for (unsigned k = threadIdx.x; k < n_atoms; k += blockDim.x) stored[k] = q[k];
    }
}
"""

DICTIONARY = r"""
// One block. A feature belongs to a lane; `n_parts` threads of each lane divide the sum over atoms.
// Scratch: n_parts rows of features, of which the first becomes the new atom, then block_sum's.
template <typename T>
__global__ void __launch_bounds__(1024) sweep_atoms(
    T* dictionary, const T* code_moment, const T* cross_moment, T floor, T tiny, unsigned n_atoms,
    unsigned n_features) {
    const unsigned width = min(n_features, unsigned(blockDim.x));
    const unsigned n_parts = blockDim.x / width;
    const unsigned part = threadIdx.x / width;
    T* partial = reinterpret_cast<T*>(scratch);
    T* squares = partial + size_t(n_parts) * n_features;
    for (unsigned j = 0; j < n_atoms; ++j) {
        const T* moment = code_moment + size_t(j) * n_atoms;
        const T use = moment[j];
        if (use <= floor) continue;
        T* atom = dictionary + size_t(j) * n_features;
        if (part < n_parts) {
            for (unsigned k = threadIdx.x % width; k < n_features; k += width) {
                T sum = 0;
                for (unsigned i = part; i < n_atoms; i += n_parts)
                    sum += moment[i] * dictionary[size_t(i) * n_features + k];
                partial[size_t(part) * n_features + k] = sum;
            }
        }
        __syncthreads();
        T square = 0;
        for (unsigned k = threadIdx.x; k < n_features; k += blockDim.x) {
            T explained = 0;
            for (unsigned i = 0; i < n_parts; ++i)
                explained += partial[size_t(i) * n_features + k];
            const T wished =
                atom[k] + (cross_moment[size_t(j) * n_features + k] - explained) / use;
            partial[k] = wished;
            square += wished * wished;
        }
        const T norm = sqrt(block_sum(square, squares));
        if (norm > tiny) {
            for (unsigned k = threadIdx.x; k < n_features; k += blockDim.x)
                atom[k] = partial[k] / norm;
        }
        __syncthreads();  // the next atom reads this one, and writes to the same scratch
    }
}
"""

ENCODERS = r"""
template <typename T>
__global__ void shrink(
    T* preactivation, const T* bias, const T* threshold, unsigned n_columns) {
    T* row = preactivation + size_t(blockIdx.x) * n_columns;
    for (unsigned k = threadIdx.x; k < n_columns; k += blockDim.x)
        row[k] = SoftThreshold<T>{threshold[k]}(row[k] + bias[k]);
}

template <typename T>
__global__ void scaled_tanh(T* preactivation, const T* bias, const T* gain, unsigned n_columns) {
    T* row = preactivation + size_t(blockIdx.x) * n_columns;
    for (unsigned k = threadIdx.x; k < n_columns; k += blockDim.x)
        row[k] = gain[k] * tanh(row[k] + bias[k]);
}

// log(exp(s b) + exp(s |u|) - 1) = s m + log1p(exp(-s |b - |u||) - exp(-s m)), m = max(b, |u|)
template <typename T>
__global__ void smooth_shrink(
    T* preactivation, const T* bias, const T* slope, const T* location, unsigned n_columns) {
    T* row = preactivation + size_t(blockIdx.x) * n_columns;
    for (unsigned k = threadIdx.x; k < n_columns; k += blockDim.x) {
        const T value = row[k] + bias[k];
        const T size = abs(value);
        const T larger = max(size, location[k]);
        const T near = exp(-slope[k] * abs(size - location[k]));
        const T excess = log1p(near - exp(-slope[k] * larger)) / slope[k];
        row[k] = copysign(T(1), value) * (larger + excess - location[k]);
    }
}
"""


ADAM = r"""
template <typename T>
__global__ void adam_entries(
    T* parameter, const T* gradient, T* first, T* second, T rate, T first_share, T second_share,
    T epsilon, unsigned size, unsigned entries_each) {
    const unsigned begin = blockIdx.x * entries_each, end = min(begin + entries_each, size);
    for (unsigned i = begin + threadIdx.x; i < end; i += blockDim.x) {
        first[i] += first_share * (gradient[i] - first[i]);
        second[i] += second_share * (gradient[i] * gradient[i] - second[i]);
        parameter[i] -= rate * first[i] / (sqrt(second[i]) + epsilon);
    }
}
"""

UNROLLED_STEP = r"""
template <typename T, typename Rule>
__global__ void shrink_sum(const T* base, T* code, Rule rule, unsigned n_columns) {
    const size_t row = size_t(blockIdx.x) * n_columns;
    for (unsigned k = threadIdx.x; k < n_columns; k += blockDim.x)
        code[row + k] = rule(code[row + k] + base[row + k], k);
}
"""

UNROLLED = r"""
// A block has some rows; a thread sums its columns over them before it adds to what all share.
template <typename T>
__global__ void shrink_sum_backward(
    const T* code, T* gradient, T* base_gradient, T* threshold_gradient, unsigned n_rows,
    unsigned n_columns, unsigned rows_each) {
    const unsigned first = blockIdx.x * rows_each, last = min(first + rows_each, n_rows);
    for (unsigned k = threadIdx.x; k < n_columns; k += blockDim.x) {
        T sum = 0;
        for (unsigned n = first; n < last; ++n) {
            const size_t i = size_t(n) * n_columns + k;
            const T slope = code[i] != 0 ? gradient[i] : T(0);
            gradient[i] = slope;
            base_gradient[i] += slope;
            sum += code[i] > 0 ? slope : -slope;
        }
        atomicAdd(threshold_gradient + k, -sum);
    }
}

// One block has one sample, with all its steps; scratch: the values reached, then block_argmax's.
template <typename T>
__global__ void greedy_descent(
    T* state, const T* lateral, const T* threshold, T* code, long long* chosen, T* change, T* sign,
    unsigned n_columns, unsigned n_steps) {
    T* b = state + size_t(blockIdx.x) * n_columns;
    T* reached = reinterpret_cast<T*>(scratch);
    T* values = reached + n_columns;
    unsigned* indices = reinterpret_cast<unsigned*>(values + blockDim.x);
    for (unsigned k = threadIdx.x; k < n_columns; k += blockDim.x) reached[k] = 0;
    for (unsigned step = 0; step < n_steps; ++step) {
        T largest = -1;
        unsigned farthest = 0;
        for (unsigned k = threadIdx.x; k < n_columns; k += blockDim.x) {
            const T distance = abs(SoftThreshold<T>{threshold[k]}(b[k]) - reached[k]);
            if (distance > largest) {
                largest = distance;
                farthest = k;
            }
        }
        const unsigned atom = block_argmax(largest, farthest, values, indices);
        const T value = SoftThreshold<T>{threshold[atom]}(b[atom]);
        const T moved = value - reached[atom];
        __syncthreads();  // all have read what the next lines replace
        if (threadIdx.x == 0) {
            const size_t i = size_t(blockIdx.x) * n_steps + step;
            chosen[i] = atom;
            change[i] = moved;
            sign[i] = T(value > 0) - T(value < 0);
            reached[atom] = value;
        }
        for (unsigned k = threadIdx.x; k < n_columns; k += blockDim.x)
            b[k] += moved * lateral[size_t(atom) * n_columns + k];
        __syncthreads();
    }
    for (unsigned k = threadIdx.x; k < n_columns; k += blockDim.x)
        code[size_t(blockIdx.x) * n_columns + k] = SoftThreshold<T>{threshold[k]}(b[k]);
}

// Scratch: what each component's old value owes, then block_sum's.
template <typename T>
__global__ void greedy_descent_backward(
    T* gradient, const T* lateral, const long long* chosen, const T* change, const T* sign,
    T* lateral_gradient, T* threshold_gradient, unsigned n_columns, unsigned n_steps) {
    T* slope = gradient + size_t(blockIdx.x) * n_columns;
    T* owed = reinterpret_cast<T*>(scratch);
    T* partial = owed + n_columns;
    for (unsigned k = threadIdx.x; k < n_columns; k += blockDim.x) owed[k] = 0;
    for (unsigned step = n_steps; step-- > 0;) {
        const size_t i = size_t(blockIdx.x) * n_steps + step;
        const size_t atom = chosen[i], row = atom * n_columns;
        T along = 0;
        for (unsigned k = threadIdx.x; k < n_columns; k += blockDim.x) {
            along += slope[k] * lateral[row + k];
            atomicAdd(lateral_gradient + row + k, change[i] * slope[k]);
        }
        const T by_change = block_sum(along, partial);
        if (threadIdx.x == 0) {
            const T by_value = owed[atom] + by_change;
            owed[atom] = -by_change;
            slope[atom] += by_value * sign[i] * sign[i];
            atomicAdd(threshold_gradient + atom, -by_value * sign[i]);
        }
        __syncthreads();
    }
}
"""

UNIT_CONSTANTS = f"""
constexpr unsigned LANES = {LANES}, GROUP = {GROUP}, ROUNDS = {ROUNDS}, USED_BITS = {USED_BITS};
constexpr unsigned long long MULTIPLIER_0 = {MULTIPLIERS[0]}, MULTIPLIER_1 = {MULTIPLIERS[1]};
constexpr unsigned STEP_0 = {KEY_STEPS[0]}, STEP_1 = {KEY_STEPS[1]};
constexpr double LARGEST_IN_FLOAT = {LARGEST_EXPONENT[4]};
constexpr double LARGEST_IN_DOUBLE = {LARGEST_EXPONENT[8]};
"""

UNITS = r"""
struct Key {
    unsigned seed[2], draw[2], first_row;
};

struct Words {
    unsigned word[4];
};

// Philox-4x32-10: word w is that of column k = column_of(block, w) in this row.
__device__ Words random_words(unsigned block, unsigned row, const Key& key) {
    unsigned c0 = block, c1 = key.first_row + row, c2 = key.draw[0], c3 = key.draw[1];
    unsigned key_0 = key.seed[0], key_1 = key.seed[1];
    for (unsigned turn = 0; turn < ROUNDS; ++turn) {
        const unsigned long long left = c0 * MULTIPLIER_0, right = c2 * MULTIPLIER_1;
        c0 = unsigned(right >> 32) ^ c1 ^ key_0;
        c1 = unsigned(right);
        c2 = unsigned(left >> 32) ^ c3 ^ key_1;
        c3 = unsigned(left);
        key_0 += STEP_0;
        key_1 += STEP_1;
    }
    return {{c0, c1, c2, c3}};
}

__device__ unsigned n_random_blocks(unsigned n_columns) {
    return (n_columns + GROUP - 1) / GROUP * LANES;
}

__device__ unsigned column_of(unsigned block, unsigned w) {
    return block / LANES * GROUP + w * LANES + block % LANES;
}

// Exact in single precision as well.
template <typename T>
__device__ T unit_interval(unsigned word) {
    return T(2 * (word >> (32 - USED_BITS)) + 1) * (T(1) / (2u << USED_BITS));
}

// exp(-logit); comparisons let NaN through, unlike min and max
template <typename T>
__device__ T odds_against(T field, T bias, T scale) {
    const T largest = sizeof(T) == sizeof(float) ? LARGEST_IN_FLOAT : LARGEST_IN_DOUBLE;
    const T exponent = -(scale * field + bias);
    return exp(exponent > largest ? largest : exponent < -largest ? -largest : exponent);
}

template <typename T>
__global__ void uniform_numbers(T* result, Key key, unsigned n_columns) {
    T* row = result + size_t(blockIdx.x) * n_columns;
    const unsigned n_blocks = n_random_blocks(n_columns);
    for (unsigned block = threadIdx.x; block < n_blocks; block += blockDim.x) {
        const Words drawn = random_words(block, blockIdx.x, key);
        for (unsigned w = 0; w < 4; ++w) {
            const unsigned k = column_of(block, w);
            if (k < n_columns) row[k] = unit_interval<T>(drawn.word[w]);
        }
    }
}

template <typename T>
__global__ void unit_means(T* field, const T* bias, T scale, unsigned n_columns) {
    T* row = field + size_t(blockIdx.x) * n_columns;
    for (unsigned k = threadIdx.x; k < n_columns; k += blockDim.x)
        row[k] = 1 / (1 + odds_against(row[k], bias[k], scale));
}

// `mean` may be null.
template <typename T>
__global__ void draw_units(
    T* field, const T* bias, T scale, Key key, T* mean, unsigned n_columns) {
    const size_t first = size_t(blockIdx.x) * n_columns;
    const unsigned n_blocks = n_random_blocks(n_columns);
    for (unsigned block = threadIdx.x; block < n_blocks; block += blockDim.x) {
        const Words drawn = random_words(block, blockIdx.x, key);
        for (unsigned w = 0; w < 4; ++w) {
            const unsigned k = column_of(block, w);
            if (k >= n_columns) break;
            const T total = 1 + odds_against(field[first + k], bias[k], scale);
            if (mean) mean[first + k] = 1 / total;
            field[first + k] = T(unit_interval<T>(drawn.word[w]) * total < 1);
        }
    }
}

template <typename T>
__global__ void softplus_sums(
    const T* field, const T* bias, T scale, T* sums, unsigned n_columns) {
    const T* row = field + size_t(blockIdx.x) * n_columns;
    T sum = 0;
    for (unsigned k = threadIdx.x; k < n_columns; k += blockDim.x) {
        const T logit = scale * row[k] + bias[k], size = abs(logit);
        sum += (logit + size) / 2 + log1p(exp(-size));
    }
    sum = block_sum(sum, reinterpret_cast<T*>(scratch));
    if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}
"""

CONTRAST = r"""
// `result` may be `weights`.
template <typename T>
__global__ void move_weights(
    const T* weights, T* velocity, const T* product, T* result, T rate, T momentum, T decay,
    unsigned n_columns) {
    const size_t row = size_t(blockIdx.x) * n_columns;
    for (unsigned k = threadIdx.x; k < n_columns; k += blockDim.x) {
        const size_t i = row + k;
        const T before = weights[i];
        const T step = momentum * velocity[i] + rate * (product[i] - decay * before);
        velocity[i] = step;
        result[i] = before + step;
    }
}
"""


class Family(NamedTuple):
    """Kernels of one source string: templates over the dtype, and over the rule if there is one."""

    code: str
    kernels: tuple
    rules: tuple = ()

    @property
    def instances(self):
        """Return the C++ names of all instances."""
        return tuple(
            instance_name(kernel, dtype, rule)
            for kernel in self.kernels
            for dtype in C_TYPES
            for rule in self.rules or (None,)
        )


def instance_name(kernel, dtype, rule=None):
    """Return `kernel<float>`, or `kernel<float, Rule<float>>` for a given rule."""
    c_type = C_TYPES[str(dtype)]
    return f"{kernel}<{c_type}>" if rule is None else f"{kernel}<{c_type}, {rule}<{c_type}>>"


FAMILIES = {
    "proximal": Family(COMMON + PROXIMAL, ("plain_step", "accelerated_step"), RULES),
    "coordinate_descent": Family(COMMON + COORDINATE_DESCENT, ("descend",), RULES),
    "dictionary": Family(COMMON + DICTIONARY, ("sweep_atoms",)),
    "encoders": Family(COMMON + ENCODERS, ("shrink", "scaled_tanh", "smooth_shrink")),
    "adam": Family(COMMON + ADAM, ("adam_entries",)),
    "unrolled": Family(
        COMMON + UNROLLED, ("shrink_sum_backward", "greedy_descent", "greedy_descent_backward")
    ),
    "unrolled_step": Family(COMMON + UNROLLED_STEP, ("shrink_sum",), RULES[2:]),
    "units": Family(
        COMMON + UNIT_CONSTANTS + UNITS,
        ("uniform_numbers", "unit_means", "draw_units", "softplus_sums"),
    ),
    "inhibited_descent": Family(COMMON + INHIBITED_DESCENT, ("descend_inhibited",)),
    "contrast": Family(COMMON + CONTRAST, ("move_weights",)),
    "local": Family(
        COMMON + LOCAL, ("correlate_local", "synthesize_local", "correlate_local_filters")
    ),
}
