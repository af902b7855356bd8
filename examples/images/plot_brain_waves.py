"""
===========================================
Waveforms and topographies in brain signals
===========================================

Which waveforms recur in an electroencephalogram (EEG), where on the scalp and when? Sources in the
brain reach all electrodes at once, so the filter of a source is a waveform times a channel pattern,
its topography. `ConvSparseCoder` with `rank_one=True` learns both, as the multivariate model of
[Dupré la Tour, Moreau, Jas & Gramfort (2018)] does. Each event is then a spike in a sparse map of
activations.

The recording is simulated, so that the results can be compared with its sources: mu waves, which
have the shape of an arch, epileptic spikes followed by a slow wave, and eye blinks, in pink noise.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.interpolate import RBFInterpolator
from scipy.signal import find_peaks

from sklearn_ebm import ConvSparseCoder

OUTPUT = Path("demo_output")
RATE = 128  # samples per second
SECONDS, N_TRIALS = 30, 4
LENGTH = RATE // 2
NOISE = 0.35
ALPHA = 2.0
OUTPUT.mkdir(exist_ok=True)

# %%
# Simulated sources
# -----------------
# The electrodes have the positions of the international 10-20 system, as seen from above. Each
# topography is a smooth function on the scalp.

ELECTRODES = {
    "Fp1": (-0.31, 0.95), "Fp2": (0.31, 0.95), "F7": (-0.81, 0.59), "F3": (-0.44, 0.52),
    "Fz": (0.0, 0.5), "F4": (0.44, 0.52), "F8": (0.81, 0.59), "T7": (-1.0, 0.0), "C3": (-0.5, 0.0),
    "Cz": (0.0, 0.0), "C4": (0.5, 0.0), "T8": (1.0, 0.0), "P7": (-0.81, -0.59),
    "P3": (-0.44, -0.52), "Pz": (0.0, -0.5), "P4": (0.44, -0.52), "P8": (0.81, -0.59),
    "O1": (-0.31, -0.95), "O2": (0.31, -0.95),
}  # fmt: skip
positions = np.array(list(ELECTRODES.values()))
random = np.random.default_rng(0)


def bump(x, y, width):
    """Return a smooth topography around a point of the scalp."""
    return np.exp(-np.sum((positions - (x, y)) ** 2, axis=1) / (2 * width**2))


def unit(array):
    """Return an array scaled to norm one."""
    return array / np.linalg.norm(array)


seconds = np.arange(LENGTH) / RATE - LENGTH / RATE / 2
peak = np.exp(-(((seconds + 0.1) / 0.012) ** 2))
slow_wave = np.exp(-(((seconds - 0.05) / 0.07) ** 2))
arches = np.abs(np.cos(np.pi * 10 * seconds)) - 2 / np.pi
SOURCES = {
    "mu wave": (arches * np.hanning(LENGTH), bump(-0.5, 0.1, 0.35) - 0.3 * bump(0, 0.9, 0.4)),
    "spike and wave": (peak - 0.5 * slow_wave, bump(0.75, -0.2, 0.4)),
    "eye blink": (np.hanning(LENGTH) ** 2, bump(0, 1.1, 0.45)),
}
AMPLITUDE = {"mu wave": 12, "spike and wave": 18, "eye blink": 25}


def pink_noise(n_times):
    """Return noise with a power that is inversely proportional to the frequency."""
    spectrum = np.fft.rfft(random.standard_normal((n_times, len(positions))), axis=0)
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 8))[:, None]
    noise = np.fft.irfft(spectrum, n_times, axis=0)
    distance = np.linalg.norm(positions[:, None] - positions, axis=2)
    noise = noise @ np.exp(-((distance / 0.4) ** 2))  # neighbouring electrodes are correlated
    return NOISE * noise / noise.std()


def simulated_trial():
    """Return a trial (n_times, n_channels) and the first samples of all events, by source."""
    n_times = SECONDS * RATE
    trial, events = pink_noise(n_times), {}
    for name, (waveform, pattern) in SOURCES.items():
        starts = np.sort(random.choice(n_times // LENGTH - 1, SECONDS // 4, replace=False)) * LENGTH
        events[name] = starts + random.integers(LENGTH // 2, size=len(starts))
        for start in events[name]:
            size = AMPLITUDE[name] * random.uniform(0.8, 1.2)
            trial[start : start + LENGTH] += size * np.outer(unit(waveform), unit(pattern))
    return trial, events


trials, events = zip(*(simulated_trial() for _ in range(N_TRIALS)), strict=True)

# %%
# Learning
# --------
# Trials of several channels have the shape (n_trials, 1, n_times, n_channels): they are images of
# height one. Activations are positive, because the sign of a waveform has a meaning, and filters
# lie inside the trials (`border="valid"`), so that learning uses whole trials.

X = np.stack(trials)[:, None]
coder = ConvSparseCoder(
    3, kernel_size=LENGTH, rank_one=True, alpha=ALPHA, positive=True, border="valid",
    crop_size=None, max_iter=40, tol=0, random_state=1,
).fit(X)  # fmt: skip
activations = coder.transform(X)[:, 0]  # (n_trials, n_positions, n_components)
print(f"non-zero activations: {np.mean(activations != 0):.1%}")

# %%
# Sources and filters
# -------------------
# Each filter is assigned to the source that it resembles most, by the largest inner product over
# all shifts. The energy is the same if a waveform is shifted and its activations are shifted back.
# The table also compares the events with the peaks of the activations.


def similarity(waveform, other):
    """Return the largest inner product with a waveform over all shifts, and the shift."""
    products = np.correlate(waveform, unit(other), "full")
    return products.max(), int(products.argmax()) - (len(other) - 1)


def found_events(maps, wanted, shift):
    """Return the share of events with a peak nearby, the number of peaks and that of events."""
    n_found = n_events = n_peaks = 0
    for trial, starts in zip(maps, wanted, strict=True):
        peaks, _ = find_peaks(trial, height=0.4 * maps.max(), distance=LENGTH // 2)
        n_found += sum(np.any(abs(peaks + shift - start) <= 5) for start in starts)
        n_events, n_peaks = n_events + len(starts), n_peaks + len(peaks)
    return n_found / n_events, n_peaks, n_events


order = {}
print(f"{'source':<16}{'topography':>12}{'waveform':>10}{'events found':>14}{'peaks / events':>16}")
for name, (waveform, pattern) in SOURCES.items():
    likeness = [
        (topography @ unit(pattern)) * similarity(learned[0], waveform)[0]
        for topography, learned in zip(coder.channel_patterns_, coder.waveforms_, strict=True)
    ]
    order[name] = k = int(np.argmax(likeness))
    same_shape, shift = similarity(coder.waveforms_[k, 0], waveform)
    wanted = [each[name] for each in events]
    share, n_peaks, n_events = found_events(activations[..., k], wanted, shift)
    same_place = coder.channel_patterns_[k] @ unit(pattern)
    print(
        f"{name:<16}{same_place:>12.2f}{same_shape:>10.2f}{share:>14.0%}{n_peaks:>10} / {n_events}"
    )

# %%
# The first figure shows the waveforms and topographies that were learned. Sources are dashed, and
# shifted to the learned waveforms.


def draw_topography(axes, pattern):
    """Draw a channel pattern on the head, seen from above; dots are electrodes."""
    largest, angle = abs(pattern).max(), np.linspace(0, 2 * np.pi, 200)
    x, y = np.meshgrid(*[np.linspace(-1.08, 1.08, 80)] * 2)
    places = np.column_stack([x.ravel(), y.ravel()])
    smooth = RBFInterpolator(positions, pattern)(places).reshape(x.shape)
    smooth = np.ma.masked_where(x**2 + y**2 > 1.08**2, smooth)
    levels = np.linspace(-largest, largest, 14)
    axes.contourf(x, y, smooth, levels=levels, cmap="RdBu_r", extend="both")
    axes.plot(1.08 * np.cos(angle), 1.08 * np.sin(angle), color="0.3", linewidth=1)
    axes.plot([-0.12, 0, 0.12], [1.07, 1.2, 1.07], color="0.3", linewidth=1)  # the nose
    axes.scatter(*positions.T, s=4, color="0.2")
    axes.set(aspect="equal", xlim=(-1.25, 1.25), ylim=(-1.25, 1.3))
    axes.axis("off")


figure, axes = plt.subplots(2, 3, figsize=(9.0, 4.6), layout="constrained", height_ratios=[1, 1.3])
milliseconds = np.arange(LENGTH) / RATE * 1000
for column, (name, k) in enumerate(order.items()):
    source, learned = SOURCES[name][0], coder.waveforms_[k, 0]
    _, shift = similarity(learned, source)
    top, bottom = axes[:, column]
    top.plot(milliseconds, learned, color=f"C{column}", label="learned")
    shifted = milliseconds + shift * 1000 / RATE
    top.plot(shifted, unit(source), "--", color="0.3", linewidth=1, label="source")
    top.set(title=name, xlabel="ms", xlim=(0, milliseconds[-1]), yticks=[])
    draw_topography(bottom, coder.channel_patterns_[k])
axes[0, 0].legend(fontsize="small")
figure.savefig(OUTPUT / "brain_waveforms.png", bbox_inches="tight")

# %%
# The second figure shows ten seconds of four electrodes, and the activations. Large activations
# mark the first samples of events, and small ones fit the noise.

shown = slice(7 * RATE, 17 * RATE)
time_axis = np.arange(SECONDS * RATE)[shown] / RATE
figure, (above, below) = plt.subplots(
    2, 1, figsize=(9.0, 5.0), sharex=True, layout="constrained", height_ratios=[1.4, 1]
)
names = ["Fp1", "C3", "Cz", "T8"]
for row, channel in enumerate(names):
    trace = trials[0][shown, list(ELECTRODES).index(channel)]
    above.plot(time_axis, trace - 8 * row, color="0.25", linewidth=0.8)
above.set(title="EEG", yticks=[-8 * row for row in range(len(names))], yticklabels=names)
for row, k in enumerate(order.values()):
    spikes = activations[0, shown, k] / activations[..., k].max()
    below.vlines(time_axis, -1.2 * row, spikes - 1.2 * row, color=f"C{row}", linewidth=1.5)
below.set(title="Activations", xlabel="Seconds", yticks=[-1.2 * row + 0.4 for row in range(3)])
below.set_yticklabels(order)
figure.savefig(OUTPUT / "brain_activations.png", bbox_inches="tight")
print("Look at", OUTPUT / "brain_waveforms.png", "and", OUTPUT / "brain_activations.png")
plt.show()
