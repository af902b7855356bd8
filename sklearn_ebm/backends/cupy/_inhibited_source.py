"""CUDA C++ of coordinate descent for lateral inhibition; see `_sources.py` for the conventions."""

INHIBITED_DESCENT = r"""
// q = c - z H and t = |z| S of one sample, in shared memory if both fit.
template <typename T>
struct Inhibited {
    const T *gram, *strength;
    T *q, *t, *code;
    unsigned n_atoms;
    bool positive;

    __device__ T curvature(unsigned j) const { return gram[size_t(j) * n_atoms + j]; }

    // the minimum over one coordinate; an atom of norm zero explains nothing
    __device__ T minimum(unsigned j) const {
        const T square = curvature(j);
        if (!(square > T(0))) return T(0);
        const T wished = q[j] + square * code[j], threshold = max(t[j], T(0));
        if (positive) return PositiveSoftThreshold<T>{threshold}(wished) / square;
        return SoftThreshold<T>{threshold}(wished) / square;
    }

    // All threads call this with the same arguments, after all have read what it replaces.
    __device__ void move(unsigned j, T updated) {
        const T before = code[j], step = updated - before, growth = abs(updated) - abs(before);
        const size_t row = size_t(j) * n_atoms;
        __syncthreads();
        for (unsigned k = threadIdx.x; k < n_atoms; k += blockDim.x) {
            q[k] -= step * gram[row + k];
            t[k] += growth * strength[row + k];
        }
        if (threadIdx.x == 0) code[j] = updated;
        __syncthreads();
    }
};

// Scratch: block_argmax's values and indices, then q and t.
template <typename T>
__global__ void descend_inhibited(
    const T* gram, const T* strength, T* correlation, T* threshold, T* code, const bool* is_done,
    unsigned n_atoms, unsigned n_greedy, unsigned n_sweeps, bool positive, bool in_shared_memory) {
    if (is_done[blockIdx.x]) return;
    const size_t row = size_t(blockIdx.x) * n_atoms;
    T* values = reinterpret_cast<T*>(scratch);
    T *q = correlation + row, *t = threshold + row;
    if (in_shared_memory) {
        T *shared_q = values + blockDim.x, *shared_t = shared_q + n_atoms;
        for (unsigned k = threadIdx.x; k < n_atoms; k += blockDim.x) {
            shared_q[k] = q[k];
            shared_t[k] = t[k];
        }
        q = shared_q;
        t = shared_t;
    }
    unsigned* indices =
        reinterpret_cast<unsigned*>(values + blockDim.x + (in_shared_memory ? 2 * n_atoms : 0));
    Inhibited<T> state{gram, strength, q, t, code + row, n_atoms, positive};
    __syncthreads();
    for (unsigned step = 0; step < n_greedy; ++step) {
        T largest = -1;
        unsigned farthest = 0;
        for (unsigned k = threadIdx.x; k < n_atoms; k += blockDim.x) {
            const T root = sqrt(max(state.curvature(k), T(0)));
            const T distance = abs(state.minimum(k) - state.code[k]) * root;
            if (distance > largest) {
                largest = distance;
                farthest = k;
            }
        }
        const unsigned best = block_argmax(largest, farthest, values, indices);
        state.move(best, state.minimum(best));
    }
    for (unsigned sweep = 0; sweep < n_sweeps; ++sweep) {
        for (unsigned j = 0; j < n_atoms; ++j) {
            if (sweep > 0 && state.code[j] == 0) continue;  // only the first visits all atoms
            const T updated = state.minimum(j);
            if (updated != state.code[j]) state.move(j, updated);
        }
    }
}
"""
