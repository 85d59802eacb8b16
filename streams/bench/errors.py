"""What goes wrong with a benchmark."""

from trigger.errors import KtrigError


class BenchError(KtrigError):
    """A benchmark that cannot run, or whose baseline gives another answer."""
