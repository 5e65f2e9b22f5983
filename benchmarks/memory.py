"""."""


def rows(quick):
    return []
