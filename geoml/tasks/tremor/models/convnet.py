"""ConvNet, the published network (method card, section 4)."""

from typing import Any

import keras
import numpy as np
from keras import ops

from geoml.errors import InputError
from geoml.tasks.tremor.models._layers import batch_norm, probabilities, waveform

NAME = "ConvNet"
LEARNING = "deep"

Each = int | tuple[int, ...] | list[int]

_PUBLISHED = (2, 2, 2, 1)  # kernel, stride, pool factor, padding


def build(
    input_shape: tuple[int, int],
    classes: int,
    *,
    num_layers: int = 8,
    hidden_dims: Each = (8, 16, 16, 16, 32, 32, 64, 64),
    conv_kernel: Each = 2,
    stride: Each = 2,
    pool_factor: Each = 2,
    padding: Each = 1,
) -> keras.Model:
    """Waveform (b, 20000, 1) to probabilities (b, 2); 178,234 parameters, 177,738 of them trained.

    The arguments are those of the original's configuration: one number for all blocks, or one for each. Weights start
    as Keras' do (Glorot uniform, biases 0).

    Args:
        input_shape: (samples, channels).
        classes: Number of classes.
        num_layers: Blocks.
        hidden_dims: Channels.
        conv_kernel, stride, padding: Of the convolutions, in samples.
        pool_factor: A block's output has its input's length divided by this.

    Raises:
        InputError: numbers of another length or size, or too many blocks for the trace.
    """
    table = {
        name: _each(name, value, num_layers, least=0 if name == "padding" else 1)
        for name, value in {
            "hidden_dims": hidden_dims,
            "conv_kernel": conv_kernel,
            "stride": stride,
            "pool_factor": pool_factor,
            "padding": padding,
        }.items()
    }
    x = wave = waveform(input_shape)
    for number, sizes in enumerate(zip(*table.values(), strict=True), 1):
        block = Block(*sizes, name=f"block_{number}")
        if min(block.lengths(x.shape[1])) < 1:
            raise InputError("args", "num_layers", "blocks that leave something of a trace", f"nothing after {number}")
        x = block(x)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(32, activation="relu")(x)
    x = keras.layers.Dense(16, activation="relu")(x)
    return keras.Model(wave, probabilities(x, classes), name="convnet")


def _each(name: str, value: Each, blocks: int, least: int) -> list[int]:
    numbers = [value] * blocks if isinstance(value, int) else list(value)
    if len(numbers) != blocks:
        raise InputError("args", name, f"one number, or {blocks}: one for each of num_layers", numbers)
    if not all(isinstance(number, int) and number >= least for number in numbers):
        raise InputError("args", name, f"whole numbers of at least {least}", numbers)
    return numbers


@keras.saving.register_keras_serializable(package="geoml")
class Block(keras.layers.Layer):
    """Padding, convolution, adaptive average pooling, batch normalisation, ReLU: a block of the published network.

    With the published sizes the mean of two neighbours after a convolution of 2 samples is a convolution of 4 with the
    taps (first, second, first, second) / 2, whose padding is Keras' ``same``; in inference the normalisation is part of
    its taps too. Same function, same variables, little more than half the time (``benchmarks/tremor.py``).

    Args:
        filters: Channels.
        kernel, stride, padding: Of the convolution.
        pool_factor: The output has the input's length divided by this.
    """

    def __init__(self, filters: int, kernel: int, stride: int, pool_factor: int, padding: int, **options: Any) -> None:
        super().__init__(**options)
        self.sizes = {"kernel": kernel, "stride": stride, "pool_factor": pool_factor, "padding": padding}
        self.conv = keras.layers.Conv1D(filters, kernel, strides=stride, dtype=self.dtype_policy, name="conv")
        self.norm = batch_norm(dtype=self.dtype_policy, name="norm")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the variables, in the order of the published network."""
        self.conv.build(input_shape)
        self.norm.build((None, None, self.conv.filters))

    def lengths(self, samples: int) -> tuple[int, int]:
        """Samples after the convolution and after the pooling."""
        kernel, stride, pool_factor, padding = self.sizes.values()
        return (samples + 2 * padding - kernel) // stride + 1, samples // pool_factor

    def call(self, x: Any, training: bool | None = None) -> Any:
        """(b, n, c) to (b, n / pool_factor, filters)."""
        kernel, bias, norm = self.conv.kernel, self.conv.bias, self.norm
        statistics_of_batch = training and norm.trainable
        if not statistics_of_batch:
            scale = norm.gamma * ops.rsqrt(norm.moving_variance + norm.epsilon)
            kernel, bias = kernel * scale, (bias - norm.moving_mean) * scale + norm.beta
        kernel, bias = ops.cast(kernel, x.dtype), ops.cast(bias, x.dtype)
        pooled = self.lengths(x.shape[1])[1]
        if tuple(self.sizes.values()) == _PUBLISHED:
            x = ops.conv(x, ops.concatenate([kernel / 2] * 2, axis=0), strides=2, padding="same")
            x = ops.split(x, [pooled], axis=1)[0] if x.shape[1] > pooled else x
        else:
            edge = self.sizes["padding"]
            x = ops.conv(ops.pad(x, ((0, 0), (edge, edge), (0, 0))), kernel, strides=self.sizes["stride"])
            x = adaptive_average(x, pooled)
        x = x + bias  # a mean of sums with it, so its place is free
        return ops.relu(norm(x, training=True) if statistics_of_batch else x)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Shorter, with ``filters`` channels."""
        b, n, _ = input_shape
        return b, n and self.lengths(n)[1], self.conv.filters

    def get_config(self) -> dict[str, Any]:
        """Arguments, for the file."""
        return super().get_config() | {"filters": self.conv.filters} | self.sizes


def adaptive_average(x: Any, length: int) -> Any:
    """Means (b, length, c) of x (b, m, c); window i is floor(i m / length) .. ceil((i + 1) m / length)."""
    m = x.shape[1]
    if m == length:
        return x
    if m == length + 1:
        return ops.average_pool(x, 2, 1)
    i = np.arange(length)
    first, last = i * m // length, -(-(i + 1) * m // length)
    total: Any = 0
    for step in range((last - first).max()):
        inside = (first + step < last) / (last - first)
        at = np.minimum(first + step, m - 1)
        total += ops.take(x, at, axis=1) * ops.cast(inside[:, None], x.dtype)
    return total
