"""The root of ktrig's own errors."""


class KtrigError(Exception):
    """Something a user can mend; the message names the file, field, value and remedy in one line."""
