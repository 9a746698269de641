"""Adam as the published trainings use it."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="geoml")
class Adam(keras.optimizers.Adam):
    """Adam with an L2 term that is added to the clipped gradient, before its moments (not decoupled as in AdamW).

    Args:
        l2: Factor of the variable in its gradient.
        options: As of :class:`keras.optimizers.Adam`, such as ``clipvalue``.
    """

    def __init__(self, *args: Any, l2: float = 0.0, **options: Any) -> None:
        super().__init__(*args, **options)
        self.l2 = l2

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One step of one variable."""
        if self.l2:
            gradient = gradient + self.l2 * variable
        super().update_step(gradient, variable, learning_rate)
