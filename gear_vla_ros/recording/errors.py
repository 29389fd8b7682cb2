"""What can go wrong with a recording."""


class RecordingError(RuntimeError):
    """One line: which file or folder, what was found, what to do."""
