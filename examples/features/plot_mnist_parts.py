"""
=====================
Parts of MNIST digits
=====================

Which features does predictive sparse decomposition learn from handwritten digits? The atoms are
strokes and other parts of digits, and each digit is a sum of a few of them [Kavukcuoglu, Ranzato &
LeCun (2008), section 3]. Pixels are non-negative. They are therefore not centred, but only scaled
to unit variance. MNIST is downloaded from OpenML once, or read from a file (see ``fetch_mnist``).
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.callback import ProgressBar

from sklearn_ebm import PSD
from sklearn_ebm.datasets import fetch_mnist
from sklearn_ebm.inspection import DictionaryDisplay

# sphinx_gallery_thumbnail_path = "_static/thumbnails/mnist_parts.png"
OUTPUT = Path("demo_output")
N_SHOWN = 100

# %%
# The model is trained on the first 20,000 training digits.

mnist = fetch_mnist()
X = mnist.X_train[:20_000].astype(np.float32)
X /= X.std()
psd = PSD(196, alpha=3.0, max_iter=10, tol=0, random_state=0).set_callbacks(ProgressBar()).fit(X)

# %%
# The figure shows the atoms (left) and the filters that predict their coefficients (right), both
# sorted by the usage of the atoms.

display = DictionaryDisplay.from_estimator(psd, which="both")
OUTPUT.mkdir(exist_ok=True)
display.figure_.savefig(OUTPUT / "mnist_parts.png", bbox_inches="tight")
print(f"Look at {OUTPUT / 'mnist_parts.png'}")
plt.show()
