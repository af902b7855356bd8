"""CUDA C++ of the products of images, kernels and maps; see `_sources` for the rules of its style.

Sums are gathered: a number of the result has one thread, or one block, so that nothing is added
atomically and results do not depend on the order in which blocks run.
"""

CONVOLUTION = r"""
struct Frame {
    unsigned height, width, map_height, map_width, top, left, circular;
    unsigned n_components, rows, columns, n_channels;
};

// Where a place beyond an edge comes in again; negative for nowhere.
__device__ long long source(long long place, unsigned size, unsigned circular) {
    if (circular) {
        place %= size;
        return place < 0 ? place + size : place;
    }
    return place < size ? place : -1;
}

// `taps` are the kernels with their components last, so that neighbouring threads read neighbours.
template <typename T>
__global__ void correlate_maps(
    const T* images, const T* taps, T* maps, Frame f, unsigned long long size,
    unsigned entries_each) {
    const size_t begin = size_t(blockIdx.x) * entries_each;
    const size_t end = min(begin + entries_each, size_t(size));
    for (size_t entry = begin + threadIdx.x; entry < end; entry += blockDim.x) {
        const size_t k = entry % f.n_components, position = entry / f.n_components;
        const long long x = position % f.map_width, y = position / f.map_width % f.map_height;
        const size_t n = position / f.map_width / f.map_height;
        T sum = 0;
        for (unsigned i = 0; i < f.rows; ++i) {
            const long long v = source(y - f.top + i, f.height, f.circular);
            if (v < 0) continue;
            for (unsigned j = 0; j < f.columns; ++j) {
                const long long h = source(x - f.left + j, f.width, f.circular);
                if (h < 0) continue;
                const T* pixel = images + ((n * f.height + v) * f.width + h) * f.n_channels;
                const T* tap = taps + size_t(i * f.columns + j) * f.n_channels * f.n_components + k;
                for (unsigned c = 0; c < f.n_channels; ++c)
                    sum += pixel[c] * tap[size_t(c) * f.n_components];
            }
        }
        maps[entry] = sum;
    }
}

template <typename T>
__global__ void synthesize_images(
    const T* maps, const T* kernels, T* images, Frame f, unsigned long long size,
    unsigned entries_each) {
    const size_t begin = size_t(blockIdx.x) * entries_each;
    const size_t end = min(begin + entries_each, size_t(size));
    const size_t kernel_size = size_t(f.rows) * f.columns * f.n_channels;
    for (size_t entry = begin + threadIdx.x; entry < end; entry += blockDim.x) {
        const size_t c = entry % f.n_channels, place = entry / f.n_channels;
        const long long x = place % f.width, y = place / f.width % f.height;
        const size_t n = place / f.width / f.height;
        T sum = 0;
        for (unsigned i = 0; i < f.rows; ++i) {
            const long long v = source(y + f.top - i, f.map_height, f.circular);
            if (v < 0) continue;
            for (unsigned j = 0; j < f.columns; ++j) {
                const long long h = source(x + f.left - j, f.map_width, f.circular);
                if (h < 0) continue;
                const T* code = maps + ((n * f.map_height + v) * f.map_width + h) * f.n_components;
                const T* tap = kernels + size_t(i * f.columns + j) * f.n_channels + c;
                for (unsigned k = 0; k < f.n_components; ++k) sum += code[k] * tap[k * kernel_size];
            }
        }
        images[entry] = sum;
    }
}

// A block has one number of a kernel.
template <typename T>
__global__ void correlate_taps(
    const T* maps, const T* images, T* kernels, Frame f, unsigned long long n_positions) {
    const unsigned c = blockIdx.x % f.n_channels, tap = blockIdx.x / f.n_channels;
    const unsigned j = tap % f.columns, i = tap / f.columns % f.rows, k = tap / f.columns / f.rows;
    T sum = 0;
    for (size_t position = threadIdx.x; position < n_positions; position += blockDim.x) {
        const T code = maps[position * f.n_components + k];
        if (code == 0) continue;
        const long long x = position % f.map_width, y = position / f.map_width % f.map_height;
        const size_t n = position / f.map_width / f.map_height;
        const long long v = source(y - f.top + i, f.height, f.circular);
        const long long h = source(x - f.left + j, f.width, f.circular);
        if (v >= 0 && h >= 0)
            sum += code * images[((n * f.height + v) * f.width + h) * f.n_channels + c];
    }
    sum = block_sum(sum, reinterpret_cast<T*>(scratch));
    if (threadIdx.x == 0) kernels[blockIdx.x] += sum;
}
"""
