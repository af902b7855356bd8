"""CUDA C++ of the products of images, maps and filters that differ between places."""

LOCAL = r"""
// Images (n, height, width, channels), maps (n, rows, columns), and filters (tile_rows,
// tile_columns, tall, wide, channels). The filter of a place begins at its pixel.
struct Sizes {
    unsigned height, width, channels, rows, columns, tile_rows, tile_columns, tall, wide, fineness,
        first_row, first_column;
    __device__ size_t filter(unsigned i, unsigned j) const {
        const size_t row = (i + first_row) % tile_rows, column = (j + first_column) % tile_columns;
        return (row * tile_columns + column) * tall * wide * channels;
    }
};

// A block has one row of one map.
template <typename T>
__global__ void correlate_local(const T* images, const T* filters, T* maps, Sizes sizes) {
    const unsigned n = blockIdx.x / sizes.rows, i = blockIdx.x % sizes.rows;
    const size_t top = size_t(n) * sizes.height + i / sizes.fineness;
    const unsigned reach = sizes.wide * sizes.channels;
    for (unsigned j = threadIdx.x; j < sizes.columns; j += blockDim.x) {
        const T* filter = filters + sizes.filter(i, j);
        const size_t left = j / sizes.fineness;
        T sum = 0;
        for (unsigned u = 0; u < sizes.tall; ++u) {
            const T* pixels = images + ((top + u) * sizes.width + left) * sizes.channels;
            for (unsigned v = 0; v < reach; ++v) sum += pixels[v] * filter[size_t(u) * reach + v];
        }
        maps[size_t(blockIdx.x) * sizes.columns + j] = sum;
    }
}

// A block has one row of one image.
template <typename T>
__global__ void synthesize_local(const T* maps, const T* filters, T* images, Sizes sizes) {
    const unsigned n = blockIdx.x / sizes.height, y = blockIdx.x % sizes.height;
    const unsigned fine = sizes.fineness, reach = sizes.wide * sizes.channels;
    const unsigned first = y + 1 > sizes.tall ? y + 1 - sizes.tall : 0;
    const unsigned last = min((y + 1) * fine, sizes.rows);
    for (unsigned k = threadIdx.x; k < sizes.width * sizes.channels; k += blockDim.x) {
        const unsigned x = k / sizes.channels, c = k % sizes.channels;
        const unsigned left = x + 1 > sizes.wide ? x + 1 - sizes.wide : 0;
        const unsigned right = min((x + 1) * fine, sizes.columns);
        T sum = 0;
        for (unsigned i = first * fine; i < last; ++i) {
            const size_t u = y - i / fine;
            const T* codes = maps + (size_t(n) * sizes.rows + i) * sizes.columns;
            for (unsigned j = left * fine; j < right; ++j) {
                const size_t v = x - j / fine;
                sum += codes[j] * filters[sizes.filter(i, j) + u * reach + v * sizes.channels + c];
            }
        }
        images[size_t(blockIdx.x) * sizes.width * sizes.channels + k] = sum;
    }
}

// A block has one filter.
template <typename T>
__global__ void correlate_local_filters(
    const T* maps, const T* images, T* filters, Sizes sizes, unsigned n_images) {
    const unsigned reach = sizes.wide * sizes.channels, fine = sizes.fineness;
    const unsigned a = blockIdx.x / sizes.tile_columns, b = blockIdx.x % sizes.tile_columns;
    const unsigned first = (a + sizes.tile_rows - sizes.first_row) % sizes.tile_rows;
    const unsigned left = (b + sizes.tile_columns - sizes.first_column) % sizes.tile_columns;
    for (unsigned k = threadIdx.x; k < sizes.tall * reach; k += blockDim.x) {
        const unsigned u = k / reach, v = k % reach;
        T sum = 0;
        for (unsigned n = 0; n < n_images; ++n)
            for (unsigned i = first; i < sizes.rows; i += sizes.tile_rows) {
                const T* codes = maps + (size_t(n) * sizes.rows + i) * sizes.columns;
                const size_t row = size_t(n) * sizes.height + i / fine + u;
                for (unsigned j = left; j < sizes.columns; j += sizes.tile_columns)
                    sum += codes[j] * images[(row * sizes.width + j / fine) * sizes.channels + v];
            }
        filters[size_t(blockIdx.x) * sizes.tall * reach + k] += sum;
    }
}
"""
