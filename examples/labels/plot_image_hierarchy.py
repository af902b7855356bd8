"""
======================================
A two-stage feature hierarchy on MNIST
======================================

How can a convolutional network be trained with few labels? A stage of the network consists of
filters, a rectifier, contrast normalisation and pooling [Jarrett et al. (2009)]. The second stage
is trained on the output of the first stage. Its filters therefore respond to arrangements of
strokes.
``make_feature_hierarchy`` returns a pipeline of two stages and a classifier, which
``FineTunedClassifier`` trains layer by layer without labels and then as one network with labels.
MNIST is downloaded from OpenML once, or read from a file (see ``fetch_mnist``).
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from sklearn_ebm import FineTunedClassifier, make_feature_hierarchy
from sklearn_ebm.datasets import fetch_mnist
from sklearn_ebm.inspection import DictionaryDisplay

# sphinx_gallery_thumbnail_path = "_static/thumbnails/image_hierarchy.png"
OUTPUT = Path("demo_output")
N_LABELS, N_UNLABELLED, N_TEST = 1_000, 3_000, 5_000
OUTPUT.mkdir(exist_ok=True)
mnist = fetch_mnist()
X, X_test = (
    (rows[:n].reshape(-1, 28, 28) / 255).astype(np.float32)
    for rows, n in ((mnist.X_train, N_UNLABELLED), (mnist.X_test, N_TEST))
)
y, y_test = mnist.y_train[:N_LABELS], mnist.y_test[:N_TEST]

# %%
# Training without and with labels
# --------------------------------
# With ``max_iter=0``, ``fit`` only learns the features and fits a linear classifier to them. With
# ``prefit=True``, training with labels starts from this fitted pipeline. The filters are learned
# from all images. The linear classifier and the training with labels use the labelled images only.

hierarchy = make_feature_hierarchy(
    n_components=(16, 64), kernel_size=(7, 5), alpha=(0.5, 0.25), random_state=0
)
features = FineTunedClassifier(hierarchy, max_iter=0, random_state=0)
features.fit(X[:N_LABELS], y, unsupervised_X=X)
tuned = FineTunedClassifier(features.pipeline_, prefit=True, max_iter=30, random_state=0)
tuned.fit(X[:N_LABELS], y)
for name, classifier in (("features, linear", features), ("trained with labels", tuned)):
    print(f"{name:>20}: {100 * (1 - classifier.score(X_test, y_test)):.1f} % of test digits wrong")

# %%
# Visualisation of the filters
# ----------------------------
# The filters of the first stage can be drawn directly, since their input is pixels. Each filter of
# the second stage reads 16 maps. It is represented by an average of image windows: the contents of
# its receptive field at the positions of its largest responses.

SEEN = 16  # width of the receptive field of the second stage, in pixels
N_WINDOWS = 100


def up_to(pipeline, name):
    """Return the steps of a pipeline up to the step with the given name."""
    return pipeline[: list(pipeline.named_steps).index(name) + 1]


def exciting_windows(pipeline, images):
    """Return the mean window of the largest responses, for each map of the second stage."""
    maps = up_to(pipeline, "rectifier2").transform(images)
    padded = np.pad(images, ((0, 0), (SEEN // 2,) * 2, (SEEN // 2,) * 2))
    means = np.empty((maps.shape[3], SEEN, SEEN))
    for mean, responses in zip(means, np.moveaxis(maps, 3, 0), strict=True):
        strongest = np.argpartition(responses.ravel(), -N_WINDOWS)[-N_WINDOWS:]
        places = np.stack(np.unravel_index(strongest, responses.shape), axis=1)
        windows = [padded[n, 2 * i + 1 :, 2 * j + 1 :][:SEEN, :SEEN] for n, i, j in places]
        mean[...] = np.mean(windows, axis=0)
    return means - means.mean(axis=(1, 2), keepdims=True)


figure, axes = plt.subplots(2, 2, figsize=(8.0, 8.4), layout="constrained")
stages = {"learned without labels": features.pipeline_, "then trained with them": tuned.pipeline_}
for (title, pipeline), column in zip(stages.items(), axes.T, strict=True):
    tiles = {
        "filters of stage 1": pipeline["model1"].encoder_components_,
        "windows of stage 2": exciting_windows(pipeline, X[:1000])[..., None],
    }
    for axis, (name, images) in zip(column, tiles.items(), strict=True):
        DictionaryDisplay(images).plot(sort=None, ax=axis)
        axis.set_title(f"{name}, {title}", fontsize="medium")
figure.savefig(OUTPUT / "hierarchy_filters.png", bbox_inches="tight")

# %%
# The maps of a digit
# -------------------
# From stage to stage, maps become smaller and more numerous. The input of the classifier is the
# maps of the last stage.

figure, axes = plt.subplots(1, 4, figsize=(12.0, 3.4), layout="constrained")
for axis, name in zip(axes, ("contrast", "rectifier1", "pooler1", "pooler2"), strict=True):
    maps = np.atleast_3d(up_to(tuned.pipeline_, name).transform(X_test[:1])[0])
    height, width, n_maps = maps.shape
    n_rows = int(np.sqrt(n_maps))
    framed = np.pad(maps, ((0, 1), (0, 1), (0, 0)), constant_values=np.nan)
    rows = framed.reshape(height + 1, width + 1, n_rows, -1).transpose(2, 0, 3, 1)
    axis.imshow(rows.reshape(n_rows * (height + 1), -1), cmap="gray")
    axis.set_title(f"{name}: {n_maps} of {height} x {width}", fontsize="medium")
    axis.set_axis_off()
figure.savefig(OUTPUT / "hierarchy_maps.png", bbox_inches="tight")
print("Look at", OUTPUT / "hierarchy_filters.png", "and", OUTPUT / "hierarchy_maps.png")
plt.show()
