"""What the statistics refuse."""

from trigger.errors import KtrigError


class StatisticsError(KtrigError):
    """Numbers that cannot be."""
