"""Progress of `fit`: the completed share of its passes, or of its time if that is larger."""

import math
import time
from numbers import Real

from sklearn_ebm._sklearn import Interval

MAX_TIME = [Interval(Real, 0, None, closed="neither"), None]
RESOLUTION = 1e-9  # seconds, shorter than any step
clock = time.perf_counter  # monotonic, in seconds


class Progress:
    """Number of steps made, and number of steps that training is expected to make.

    Training ends after the planned passes, or after the first step that ends `max_time` seconds or
    more after its beginning. The number of steps that fit into this time is extrapolated from the
    pace so far. The completed share of training n_done / n_total is therefore the larger of the
    share of the passes and the share of the time, and learning rates decay over whichever limit is
    closer.

    Parameters
    ----------
    max_time : float or None, default=None
        Maximum number of seconds. None sets no limit.

    Attributes
    ----------
    n_done : int
        Number of steps made.
    """

    def __init__(self, max_time=None):
        self.n_done = 0
        self._n_planned = 0
        self._limit = _limit(max_time)
        self._began = clock()

    def begin_pass(self, n_pass, n_batches, max_iter):
        """Start pass number `n_pass` of at most `max_iter`, with a step for each batch."""
        self.n_done = n_pass * n_batches
        self._n_planned = max_iter * n_batches

    @property
    def seconds(self):
        """Seconds since training began."""
        return clock() - self._began

    @property
    def is_over(self):
        """Whether the time is up."""
        return self.seconds >= self._limit

    @property
    def n_total(self):
        """Number of steps that training is expected to make, in the passes and the time allowed."""
        if self.n_done == 0:
            return self._n_planned
        pace = max(self.seconds, RESOLUTION) / self.n_done
        return min(self._n_planned, max(self.n_done, self._limit / pace))

    def parts(self, batches):
        """Yield parts of some batches, and the completed share of training at each of their steps.

        A part holds the batches of one compiled call: all of them, or as many as are expected to
        fit into the remaining time. There is at least one part, and no further part once the time
        is up. The steps of a part count when the next part is requested.
        """
        while batches:
            size, n_total = self._size(len(batches)), self.n_total
            yield batches[:size], [min(1.0, (self.n_done + n) / n_total) for n in range(size)]
            self.n_done += size
            batches = batches[size:]
            if self.is_over:
                return

    def _size(self, n_batches):
        """Return the number of batches in the next part.

        The first step may take long, because kernels are compiled. Parts therefore grow with the
        number of steps from which the pace is known.
        """
        if math.isinf(self._limit):
            return n_batches
        return max(1, min(n_batches, self.n_done, int(self.n_total - self.n_done)))


def _limit(max_time):
    """Return the limit in seconds; integers that exceed all floats set none."""
    try:
        return math.inf if max_time is None else float(max_time)
    except OverflowError:
        return math.inf
