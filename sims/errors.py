"""The one exception that a user's input may raise."""


class BadInput(ValueError):
    """Input that cannot be used. The message is one line: the value, what was expected, what to do."""
