"""Local self-attention, from keras-self-attention, known to Keras by name so that saved models load.

The package scores every pair of steps, then takes 10,000 off the pairs outside the width, whose weights are exactly
zero after the softmax. Here such pairs are not scored, which halves the largest arrays of the network; layer, weights,
results and files stay the package's own.
"""

from typing import Any

import keras
from keras import ops
from keras_self_attention import SeqSelfAttention

__all__ = ["SeqSelfAttention"]

_ALL_PAIRS = SeqSelfAttention._call_additive_emission
_BLOCK = 5  # query steps scored together; the fastest of those tried for 50 steps and a width of 20


def _near_pairs(self: SeqSelfAttention, inputs: Any) -> Any:
    """Scores of pairs of steps, (batch, steps, steps), 0 where these are too far apart to be looked at.

    Args:
        self: Layer with additive attention.
        inputs: (batch, steps, features).
    """
    steps, features = inputs.shape[1:]
    local = self.attention_width is not None and not self.history_only and self.use_additive_bias
    if steps is None or steps <= _BLOCK or not local:
        return _ALL_PAIRS(self, inputs)
    before = self.attention_width // 2
    after = self.attention_width - before - 1
    flat = ops.reshape(inputs, (-1, features))
    query = ops.reshape(ops.matmul(flat, self.Wt) + self.bh, (-1, steps, 1, self.units))
    key = ops.reshape(ops.matmul(flat, self.Wx), (-1, 1, steps, self.units))
    starts = range(0, steps, _BLOCK)
    rows = []
    for start, part in zip(starts, ops.split(query, list(starts[1:]), axis=1), strict=True):
        first, last = max(start - before, 0), min(start + part.shape[1] + after, steps)
        # The gradient of slice() is far cheaper than that of an index expression.
        near = ops.slice(key, (0, 0, first, 0), (-1, 1, last - first, self.units))
        score = ops.matmul(ops.reshape(ops.tanh(part + near), (-1, self.units)), self.Wa)
        score = ops.reshape(score, (-1, part.shape[1], last - first))
        rows.append(ops.pad(score, ((0, 0), (0, 0), (first, steps - last))))
    scores = ops.concatenate(rows, axis=1)
    return scores + self.ba if self.use_attention_bias else scores


SeqSelfAttention._call_additive_emission = _near_pairs
keras.saving.register_keras_serializable("geoml")(SeqSelfAttention)
