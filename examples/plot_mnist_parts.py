"""
========================
Digits are made of parts
========================

Predictive sparse decomposition of MNIST: the atoms are strokes and other parts of digits, which a
few at a time make up any of them [Kavukcuoglu, Ranzato & LeCun (2008), section 3]. Pixels lie
between 0 and 1, and none is negative on average; so only their common scale is changed, to unit
variance. MNIST comes from OpenML once, or from a file: see ``fetch_mnist``.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.callback import ProgressBar

from sklearn_ebm import PSD
from sklearn_ebm.datasets import fetch_mnist
from sklearn_ebm.inspection import DictionaryDisplay

OUTPUT = Path("demo_output")
N_SHOWN = 100

# %%
# Learn from the training digits.

mnist = fetch_mnist()
X = mnist.X_train[:20_000].astype(np.float32)
X /= X.std()
psd = PSD(196, alpha=3.0, max_iter=10, tol=0, random_state=0).set_callbacks(ProgressBar()).fit(X)

# %%
# Atoms on the left, the filters that predict their activity on the right: most used first.

display = DictionaryDisplay.from_estimator(psd, which="both")
OUTPUT.mkdir(exist_ok=True)
display.figure_.savefig(OUTPUT / "mnist_parts.png", bbox_inches="tight")
print(f"Look at {OUTPUT / 'mnist_parts.png'}")
plt.show()
