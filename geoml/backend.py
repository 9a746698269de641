"""Start Keras on the device that was asked for, or fail; nothing runs on another one in silence."""

import os

from geoml.errors import InputError
from geoml.logs import quiet
from geoml.provenance import cpu_name


def use_device(device: str, threads: int = 1) -> str:
    """Make Keras run on ``cpu`` or ``gpu``; call it before anything builds a network.

    Args:
        device: ``cpu`` or ``gpu``.
        threads: CPU threads, with the TensorFlow backend.

    Returns:
        The device's name, for the record.

    Raises:
        InputError: a GPU is asked for and there is none that Keras can use.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with quiet():
        import keras

        start = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}[keras.backend.backend()]
        name, seen = start(device, threads)
    if not name:
        raise InputError(
            "devices", device, "a GPU that Keras can use", f"none with the {keras.backend.backend()} backend ({seen})",
            "Run on a GPU node with requirements/gpu.lock installed, or take gpu out of `devices`.",
        )  # fmt: skip
    return name


def _tensorflow(device: str, threads: int) -> tuple[str, str]:
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    gpus = tf.config.list_physical_devices("GPU")
    if device == "cpu":
        tf.config.set_visible_devices([], "GPU")
        return cpu_name(), ""
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    names = [tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in gpus]
    return (names or [""])[0], f"{len(gpus)} GPUs, built with CUDA: {tf.test.is_built_with_cuda()}"


def _jax(device: str, threads: int) -> tuple[str, str]:
    import jax

    jax.config.update("jax_platforms", "cuda" if device == "gpu" else "cpu")
    try:
        return (cpu_name() if device == "cpu" else jax.devices()[0].device_kind), ""
    except RuntimeError as error:
        return "", str(error)


def _torch(device: str, threads: int) -> tuple[str, str]:
    import torch

    torch.set_num_threads(threads)
    if device == "cpu":
        torch.set_default_device("cpu")
        return cpu_name(), ""
    return (torch.cuda.get_device_name(0), "") if torch.cuda.is_available() else ("", "torch sees no CUDA device")
