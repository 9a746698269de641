"""The one exception that tells users what is wrong with what they gave us."""


class InputError(ValueError):
    """An input cannot be used. The message names the place, the field, what was expected and what came.

    Args:
        where: File, configuration path or command-line option.
        field: Key, column or property inside it.
        expected: What would have been right.
        got: What was found.
        hint: What to do next; optional.
    """

    def __init__(self, where: object, field: str, expected: str, got: object, hint: str = "") -> None:
        self.where, self.field, self.expected, self.got, self.hint = where, field, expected, got, hint
        super().__init__(f"{where}: {field}: expected {expected}, got {got}." + (f" {hint}" if hint else ""))

    def __reduce__(self) -> tuple:
        return type(self), (self.where, self.field, self.expected, self.got, self.hint)
