"""
====================
Parts and categories
====================

A discriminative recurrent sparse auto-encoder [Rolfe & LeCun (2013)] classifies digits and
reconstructs them with the same codes. Nobody tells its units what to represent. This example shows
that some of them become parts, which respond immediately, and others become prototypes of the
classes, which respond after some steps. The data are the small digits of scikit-learn. Nothing is
downloaded.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import normalize

from sklearn_ebm import DrSAEClassifier
from sklearn_ebm.inspection import PrototypeDisplay, UnitDisplay

X, y = load_digits(return_X_y=True)
X = normalize(X).astype(np.float32)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=500, random_state=0)

# %%
# Recurrent steps lower the error
# -------------------------------
# Ten steps use the same weights again and again. With a single step, the network has as many
# parameters, but its error is larger.

models = {}
for n_steps in (1, 10):
    model = DrSAEClassifier(100, n_steps=n_steps, max_iter=60, random_state=0)
    models[n_steps] = model.fit(X_train, y_train)
    error = 100 * (1 - model.score(X_test, y_test))
    print(f"{n_steps:2} steps: {error:.1f} % of the test digits are classified incorrectly")

# %%
# Two kinds of units
# ------------------
# The filter and the atom of a part unit are about the same, and the classes hardly depend on it.
# Categorical units have large coefficients, and turn away from their filters: their input comes
# from other units. They also need all steps to become active.

model = models[10]
display = UnitDisplay.from_estimator(model, X_test)
plt.show()

# %%
# Prototype plus parts
# --------------------
# The prototype of a digit is what its categorical units decode to. Parts move the prototype
# towards the given digit. Here, atoms start at samples, so that prototypes look like digits.

start = X_train[np.random.default_rng(0).choice(len(X_train), 100, replace=False)]
similar = DrSAEClassifier(100, dictionary_init=start, max_iter=60, random_state=0)
similar.fit(X_train, y_train)
for label in (3, 4):
    image = X_test[y_test == label][0].reshape(8, 8)
    PrototypeDisplay.from_estimator(similar, image, n_parts=5)
plt.show()

# %%
# The course of inference
# -----------------------
# The probability of the right class, computed from the code of each step. The first codes mostly
# contain parts, and determine the class of fewer digits.

steps = model.code_steps(X_test)
norms = np.linalg.norm(steps, axis=2, keepdims=True)
scores = steps / np.where(norms > 0, norms, 1) @ model.class_weights_.T
accuracy = np.mean(model.classes_[scores.argmax(axis=2)] == y_test, axis=1)
figure, axes = plt.subplots(figsize=(5, 3.5), layout="constrained")
axes.plot(100 * accuracy, marker="o")
axes.set(xlabel="Step", ylabel="Test accuracy [%]", title="Accuracy of the codes of each step")
plt.show()
