"""Local self-attention, from keras-self-attention, known to Keras by name so that saved models load."""

import keras
from keras_self_attention import SeqSelfAttention

__all__ = ["SeqSelfAttention"]

keras.saving.register_keras_serializable("geoml")(SeqSelfAttention)
