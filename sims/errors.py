"""The exceptions that a user's input may raise, and how any exception is told in one line."""


class BadInput(ValueError):
    """Input that cannot be used. The message is one line: the value, what was expected, what to do."""


class CannotServe(BadInput):
    """A sound data set that is not of the kind that was asked for: no classes, too few samples, sentences."""


def one_line(error: BaseException) -> str:
    """Return the type and message of an exception on one line of readable length."""
    try:
        message = str(error)
    except Exception:  # of a class whose words fail too
        message = ""
    text = " ".join(f"{type(error).__name__}: {message}".split()).removesuffix(":")
    return text if len(text) <= 400 else text[:399] + "…"
