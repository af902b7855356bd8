"""Tables hold rows, not images."""

import numpy as np
import pandas as pd
import pytest

from sklearn_ebm import Dropout, LocalContrastNormalizer, Pooler, Rectifier

LAYERS = {
    "Dropout": Dropout(),
    "LocalContrastNormalizer": LocalContrastNormalizer(window_size=3, image_shape=(5, 4)),
    "Pooler": Pooler(pool_shape=2, image_shape=(5, 4)),
    "Rectifier": Rectifier("split"),
}


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_images_are_not_put_into_a_table(layer):
    images = np.random.default_rng(0).random((3, 5, 4))
    layer.set_output(transform="pandas")
    with pytest.raises(ValueError, match="images or feature maps, which pandas cannot hold"):
        layer.fit(images).transform(images)
    rows = layer.fit(images.reshape(3, -1)).transform(images.reshape(3, -1))
    assert isinstance(rows, pd.DataFrame)
    np.testing.assert_array_equal(
        rows.to_numpy(),
        layer.set_output(transform="default").transform(images.reshape(3, -1)),
    )
