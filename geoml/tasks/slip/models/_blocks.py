"""What the networks of the slip task share: the convolutions, the head, the kinds of answer."""

from functools import cache
from typing import Any

import keras
import numpy as np
from keras import ops

_BLOCK = 4  # rows and columns that are computed together; the two convolutions reach 3 further


@keras.saving.register_keras_serializable(package="geoml")
class Convolutions(keras.layers.Layer):
    """The published convolutions: twice two linear ones, batch normalisation, ReLU, maximum of 2 x 2 (card, section 7).

    Fault maps are nearly empty: a seventh of their area is within reach of a fault. Where TensorFlow runs on a
    processor, ``train_on_batch`` and ``predict_on_batch`` therefore compute once a batch what an empty map gives, and
    in blocks of 4 x 4 pixels near faults what differs from that. There the two convolutions, which have nothing
    non-linear between them, are one matrix, which suits the processor far better than kernels of 4 channels. It is the
    same function of maps and variables whatever the map, with borders and statistics, four times as fast; maps that
    are nowhere empty take about as long as with Keras' layers. These do the work everywhere else: where nothing is said
    of ``training``, as in an export or for gradients with respect to the map; run eagerly; on a GPU; with other
    backends and precisions.

    Args:
        channels: Filters of the first two convolutions; the other two have twice as many.
        momentum: Of the moving statistics.
    """

    def __init__(self, channels: int, momentum: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.channels, self.momentum = channels, momentum
        self.pairs = []
        for number, filters in ((1, channels), (2, 2 * channels)):
            same: dict[str, Any] = {"padding": "same", "dtype": self.dtype_policy}
            conv = keras.layers.Conv2D(filters, 3, name=f"conv_{number}", **same)
            dilated = keras.layers.Conv2D(filters, 3, dilation_rate=2, name=f"dilated_{number}", **same)
            norm = keras.layers.BatchNormalization(
                momentum=momentum, epsilon=1e-3, dtype=self.dtype_policy, name=f"norm_{number}"
            )
            self.pairs.append([conv, dilated, norm])

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the variables, in the order of the published network."""
        for pair in self.pairs:
            for layer in pair:
                layer.build(input_shape)
                input_shape = layer.compute_output_shape(input_shape)

    def call(self, x: Any, training: bool | None = None) -> Any:
        """(b, h, w, features) to (b, h / 4, w / 4, 2 channels)."""
        if training is not None and self._in_blocks(x):
            return self._sparse(x, training)
        for conv, dilated, norm in self.pairs:
            x = norm(dilated(conv(x)), training=training)
            x = ops.relu(ops.max_pool(x, 2))  # either order gives the same, this one has less to do
        return x

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """A quarter of height and width."""
        b, h, w, _ = input_shape
        return b, h and h // 4, w and w // 4, 2 * self.channels

    def get_config(self) -> dict[str, Any]:
        """Arguments, for the file."""
        return super().get_config() | {"channels": self.channels, "momentum": self.momentum}

    def _in_blocks(self, x: Any) -> bool:
        if keras.backend.backend() != "tensorflow" or self.compute_dtype != "float32":
            return False
        import tensorflow as tf

        fits = all(size is not None and size % 8 == 0 and size >= 16 for size in x.shape[1:3])
        return fits and not tf.executing_eagerly() and not tf.config.get_visible_devices("GPU")

    def _sparse(self, x: Any, training: bool | None) -> Any:
        import tensorflow as tf

        x = tf.stop_gradient(x)  # blocks that are left out would have none
        busy = tf.nn.max_pool2d(tf.cast(x != 0, tf.float32), _BLOCK, _BLOCK, "VALID")
        empty = tf.zeros((1, *x.shape[1:]))
        for pair in self.pairs:
            near = tf.nn.max_pool2d(busy, 3, 1, "SAME")
            x, empty = _pair(pair, x, empty, near, training)
            busy = tf.nn.max_pool2d(near, 2, 2, "VALID")
        return x + empty


def _pair(layers: list[Any], x: Any, empty: Any, near: Any, training: bool | None) -> tuple[Any, Any]:
    """Two convolutions, normalisation, ReLU and maximum, of what differs from an empty map and of the empty map.

    Args:
        layers: The two convolutions and the normalisation.
        x: (b, h, w, c) difference from ``empty``.
        empty: (1, h, w, c) what an empty map has here.
        near: (b, h / 4, w / 4, 1) 1 where any difference is within reach of a block, else 0.
        training: Whether the statistics are those of the batch.

    Returns:
        Difference (b, h / 2, w / 2, filters) and empty map (1, h / 2, w / 2, filters).
    """
    import tensorflow as tf

    conv, dilated, norm = layers
    b, (h, w, c), filters = tf.shape(x)[0], x.shape[1:], conv.filters
    rows, columns = h // _BLOCK, w // _BLOCK
    order, around, sizes = _places(rows, columns)

    # Blocks, ordered by their kind and place; below, n of them are near a difference.
    near = tf.gather(tf.transpose(tf.reshape(near, (-1, rows * columns))), order)
    place, sample = tf.unstack(tf.cast(tf.where(near > 0), tf.int32), axis=1)
    kinds = tf.split(tf.reduce_sum(tf.cast(near, tf.int32), axis=1), sizes)
    block = sample * (rows * columns) + tf.gather(order, place)
    blocks = tf.reshape(_to_blocks(x, _BLOCK), (-1, _BLOCK**2 * c))
    patches = tf.gather(blocks, (sample * (rows * columns))[:, None] + tf.gather(around, place))
    patches = tf.split(tf.reshape(patches, (-1, 9 * _BLOCK**2 * c)), [tf.reduce_sum(n) for n in kinds], num=9)
    matrices = _matrices(conv.kernel.value, dilated.kernel.value)
    moved = tf.concat([patch @ matrix for patch, matrix in zip(patches, tf.unstack(matrices), strict=True)], axis=0)
    moved = tf.reshape(moved, (-1, 4, 4 * filters))
    still = dilated(conv(empty))
    still = _pixels_last(tf.reshape(_to_blocks(still, _BLOCK), (-1, 2, 2, 2, 2, filters)))
    there = tf.gather(still, tf.gather(order, place))

    mean, variance = norm.moving_mean.value, norm.moving_variance.value
    if training and norm.trainable:
        share = 1 / (tf.cast(b, tf.float32) * h * w)
        mean = _sum(still, filters) / (h * w) + share * _sum(moved, filters)
        off = tf.tile(mean, [4])
        variance = _sum((still - off) ** 2, filters) / (h * w)
        variance += share * _sum(moved * (moved + 2 * (there - off)), filters)
        for moving, now in ((norm.moving_mean, mean), (norm.moving_variance, variance)):
            moving.assign(moving * norm.momentum + now * (1 - norm.momentum))
    scale = norm.gamma.value * tf.math.rsqrt(variance + norm.epsilon)
    scale, offset = tf.tile(scale, [4]), tf.tile(norm.beta.value - mean * scale, [4])

    def finished(z: Any) -> Any:
        return tf.reduce_max(tf.nn.relu(z * scale + offset), axis=1)

    empty = finished(still)
    difference = finished(there + moved) - tf.gather(empty, tf.gather(order, place))
    difference = tf.scatter_nd(block[:, None], difference, tf.stack([b * rows * columns, 4 * filters]))
    return tuple(_from_blocks(tf.reshape(y, (-1, rows, columns, 4 * filters)), 2) for y in (difference, empty))


def _sum(z: Any, filters: int) -> Any:
    """(n, 4, 4 filters) to (filters,)."""
    import tensorflow as tf

    return tf.reduce_sum(tf.reshape(tf.reduce_sum(z, axis=(0, 1)), (4, filters)), axis=0)


def _to_blocks(x: Any, size: int) -> Any:
    """(b, h, w, c) to (b, h / size, w / size, size * size * c)."""
    import tensorflow as tf

    _, h, w, c = x.shape
    x = tf.transpose(tf.reshape(x, (-1, h // size, size, w // size, size, c)), (0, 1, 3, 2, 4, 5))
    return tf.reshape(x, (-1, h // size, w // size, size * size * c))


def _from_blocks(x: Any, size: int) -> Any:
    """Undo :func:`_to_blocks`."""
    import tensorflow as tf

    _, h, w, c = x.shape
    x = tf.transpose(tf.reshape(x, (-1, h, w, size, size, c // size**2)), (0, 1, 3, 2, 4, 5))
    return tf.reshape(x, (-1, h * size, w * size, c // size**2))


def _pixels_last(z: Any) -> Any:
    """Blocks (n, 2, 2, 2, 2, filters) of rows and columns in twos to (n, 4, 4 filters): axis 1 is pooled."""
    import tensorflow as tf

    return tf.reshape(tf.transpose(z, (0, 2, 4, 1, 3, 5)), (-1, 4, 4 * z.shape[-1]))


@cache
def _places(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers of the blocks of a map by kind, their 9 neighbours, how many there are of each of the 9 kinds.

    The kind says at which side of the map a block is. A neighbour outside is any block: the matrix has zeros for it.
    """
    row, column = np.divmod(np.arange(rows * columns), columns)
    kind = 3 * (np.int32(row > 0) + (row == rows - 1)) + np.int32(column > 0) + (column == columns - 1)
    order = np.argsort(kind, kind="stable").astype(np.int32)
    steps = np.mgrid[-1:2, -1:2].reshape(2, 1, 9)
    around = np.clip(row[order, None] + steps[0], 0, rows - 1) * columns
    around += np.clip(column[order, None] + steps[1], 0, columns - 1)
    return order, around.astype(np.int32), np.bincount(kind, minlength=9)


def _matrices(first: Any, second: Any) -> Any:
    """Both convolutions as matrices, from a block with its neighbours to the block, by the block's kind.

    Args:
        first: (3, 3, c, m) kernel.
        second: (3, 3, m, f) kernel with dilation 2.

    Returns:
        (9, 144 c, 16 f), differentiable.
    """
    import tensorflow as tf

    c, f = first.shape[2], second.shape[3]
    taps = tf.reshape(tf.einsum("ijcm,klmf->ijklcf", first, second), (81, c * f))
    matrices = tf.reshape(tf.matmul(_paths(), taps), (-1, 16, c, f))
    return tf.reshape(tf.transpose(matrices, (0, 2, 1, 3)), (9, 144 * c, 16 * f))


@cache
def _paths() -> Any:
    """(9 * 144 * 16, 81), 1 where taps of both kernels lead from a pixel in or around a block to one in it, by kind.

    A path leads over pixels of the map only: where the first convolution would lie outside, the second sees zeros.
    """
    import tensorflow as tf

    pixel, target, first, second = np.ogrid[:12, :4, :3, :3]
    between = 4 + target + 2 * (second - 1)
    leads = pixel == between + first - 1
    sides = []  # along one axis: at its beginning, inside, at its end
    for low, high in ((4, 12), (0, 12), (0, 8)):
        inside = (low <= between) & (between < high) & (low <= pixel) & (pixel < high)
        sides.append((leads & inside).reshape(3, 4, 2, 2, 3, 3))
    axis = np.array(sides, np.float32)
    paths = np.einsum("aBiPpuv,bDjQqwx->abBDijpqPQuwvx", axis, axis).reshape(-1, 81)
    with tf.init_scope():  # outside of the graphs, which would take seconds longer to be made
        return tf.Variable(paths, trainable=False)


def fault_map(input_shape: tuple[int, ...]) -> keras.KerasTensor:
    """Input of a network: (b, rows, columns, 1), 1 on faults, row 0 on the side that moves."""
    return keras.Input(input_shape, name="map")


def hidden(x: keras.KerasTensor, channels: int, bn_momentum: float) -> keras.KerasTensor:
    """The published network without its output: map (b, 128, 64, 1) to (b, 2 channels)."""
    x = Convolutions(channels, bn_momentum)(x)
    return settled(keras.layers.Dense(2 * channels)(keras.layers.Flatten()(x)), bn_momentum)


def settled(x: keras.KerasTensor, bn_momentum: float) -> keras.KerasTensor:
    """Dropout and batch normalisation of features (b, k)."""
    return keras.layers.BatchNormalization(momentum=bn_momentum, epsilon=1e-3)(keras.layers.Dropout(0.2)(x))


def efficiency(x: keras.KerasTensor) -> keras.KerasTensor:
    """The published output: features (b, k) to efficiency (b, 1), not negative."""
    return keras.layers.Dense(1, activation="relu", dtype="float32", name="efficiency")(x)


@keras.saving.register_keras_serializable(package="geoml")
class MeanAndSigma(keras.layers.Layer):
    """Every second number of (b, 2 m) becomes a standard deviation: a softplus, and 0.01 that it cannot go below."""

    def call(self, x: Any) -> Any:
        """(b, 2 m) to mean_1, sigma_1, mean_2, ..."""
        odd = ops.arange(x.shape[1]) % 2 == 1
        return ops.where(odd, ops.softplus(x) + 0.01, x)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The shape stays."""
        return input_shape
