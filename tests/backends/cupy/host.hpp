// What CUDA C++ asks of a device, on a host: for tests, compiled in front of a family's source.
//
// Blocks run one after another. The threads of a block are coroutines that change over at barriers
// only, in ascending or in descending order: a result that hangs on a missing barrier differs between
// the two. A launch is told apart from cuLaunchKernel by its checks alone: each argument's size, that
// all threads pass the same number of barriers, and that shared memory, which starts as NaN, is
// enough.
#include <ucontext.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __shared__
#define __restrict__
#define __launch_bounds__(n)

using std::abs;
using std::copysign;
using std::exp;
using std::log1p;
using std::sqrt;
using std::tanh;

// As on a device, and unlike std::min: of NaN and a number, the number.
template <typename T>
T min(T a, T b) {
    return b < a || a != a ? b : a;
}
template <typename T>
T max(T a, T b) {
    return a < b || a != a ? b : a;
}

// One thread runs at a time here.
template <typename T>
T atomicAdd(T* place, T value) {
    const T before = *place;
    *place += value;
    return before;
}

struct Index {
    unsigned x;
};
Index blockIdx, threadIdx, blockDim;

constexpr size_t SHARED_BYTES = 48 * 1024, GUARD_BYTES = 1024;
double scratch[(SHARED_BYTES + GUARD_BYTES) / sizeof(double)];

namespace host {

enum Verdict { FINE, WRONG_ARGUMENTS, DIVERGENT_BARRIER, SHARED_MEMORY_OVERRUN };

constexpr size_t STACK_BYTES = 64 * 1024;
constexpr unsigned char GUARD = 0xA5;

struct Thread {
    ucontext_t context;
    std::vector<char> stack = std::vector<char>(STACK_BYTES);
    unsigned n_barriers = 0;
    bool is_finished = false;
};

ucontext_t scheduler;
std::vector<Thread> threads;
std::function<void()> body;

void run_thread() {
    body();
    threads[threadIdx.x].is_finished = true;
}

void start(Thread& thread) {
    thread.n_barriers = 0;
    thread.is_finished = false;
    getcontext(&thread.context);
    thread.context.uc_stack.ss_sp = thread.stack.data();
    thread.context.uc_stack.ss_size = thread.stack.size();
    thread.context.uc_link = &scheduler;
    makecontext(&thread.context, run_thread, 0);
}

void wait_for_the_others() {
    Thread& thread = threads[threadIdx.x];
    ++thread.n_barriers;
    swapcontext(&thread.context, &scheduler);
}

Verdict run_block(unsigned block, size_t shared_bytes, bool backwards) {
    auto bytes = reinterpret_cast<unsigned char*>(scratch);
    std::memset(bytes, 0xFF, shared_bytes);
    std::memset(bytes + shared_bytes, GUARD, sizeof(scratch) - shared_bytes);
    for (unsigned t = 0; t < block; ++t) start(threads[t]);
    for (unsigned n_running = block; n_running > 0;) {
        for (unsigned turn = 0; turn < block; ++turn) {
            const unsigned t = backwards ? block - 1 - turn : turn;
            if (threads[t].is_finished) continue;
            threadIdx.x = t;
            swapcontext(&scheduler, &threads[t].context);
            if (threads[t].is_finished) --n_running;
        }
    }
    for (unsigned t = 0; t < block; ++t)
        if (threads[t].n_barriers != threads[0].n_barriers) return DIVERGENT_BARRIER;
    for (size_t i = shared_bytes; i < sizeof(scratch); ++i)
        if (bytes[i] != GUARD) return SHARED_MEMORY_OVERRUN;
    return FINE;
}

struct Launch {
    unsigned grid, block, shared_bytes, backwards, n_arguments;
    void** arguments;
    const unsigned* sizes;
};

template <typename... A, size_t... I>
Verdict run(void (*kernel)(A...), const Launch& launch, std::index_sequence<I...>) {
    const unsigned expected[] = {sizeof(A)...};
    if (launch.n_arguments != sizeof...(A)) return WRONG_ARGUMENTS;
    for (unsigned i = 0; i < sizeof...(A); ++i)
        if (expected[i] != launch.sizes[i]) return WRONG_ARGUMENTS;
    if (launch.shared_bytes > SHARED_BYTES) return SHARED_MEMORY_OVERRUN;
    blockDim.x = launch.block;
    if (threads.size() < launch.block) threads.resize(launch.block);
    body = [&] { kernel(*static_cast<std::remove_const_t<A>*>(launch.arguments[I])...); };
    Verdict verdict = FINE;
    for (unsigned b = 0; b < launch.grid && verdict == FINE; ++b) {
        blockIdx.x = b;
        verdict = run_block(launch.block, launch.shared_bytes, launch.backwards);
    }
    return verdict;
}

template <typename... A>
Verdict run(void (*kernel)(A...), const Launch& launch) {
    return run(kernel, launch, std::index_sequence_for<A...>());
}

}  // namespace host

void __syncthreads() { host::wait_for_the_others(); }
