"""Where in an image a network found its answer: Grad-CAM (Selvaraju et al. 2017) on the last convolution."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras


def maps(network: "keras.Model", images: np.ndarray, classes: np.ndarray | None = None) -> np.ndarray:
    """Importance of each place for the class that is answered, or for a class given.

    Args:
        network: With the layers ``last_conv`` and ``logits``.
        images: (n, h, w, 3) RGB of 0..255.
        classes: (n,) class codes; None: the class of the largest output.

    Returns:
        (n, h, w) float32 of 0..1, bilinear from the size of the last map.
    """
    import keras
    import tensorflow as tf

    ends = [network.get_layer(name).output for name in ("last_conv", "logits")]
    both = keras.Model(network.input, ends)
    with tf.GradientTape() as tape:
        features, logits = both(images.astype(np.float32), training=False)
        chosen = tf.argmax(logits, axis=1) if classes is None else tf.constant(classes, tf.int64)
        scores = tf.gather(logits, chosen, axis=1, batch_dims=1)
    gradients = tape.gradient(scores, features)
    weights = tf.reduce_mean(gradients, axis=(1, 2), keepdims=True)
    heat = tf.nn.relu(tf.reduce_sum(weights * features, axis=-1, keepdims=True))
    heat = tf.image.resize(heat, images.shape[1:3])[..., 0].numpy()
    return heat / np.maximum(heat.max(axis=(1, 2), keepdims=True), 1e-12)
