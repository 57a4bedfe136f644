"""Windows of maps, as the kernel is told of them."""

Edges = list[tuple[int, int]]


def window_places(down: Edges, height: int, along: Edges, width: int) -> tuple[int, ...]:
    """Where each line of windows begins and ends, and each column; then the first one that a line or column is in.

    Args:
        down: of the windows' lines, in the maps' lines, the end not included; one begins no earlier than the last.
        height: of the maps.
        along: of the windows' columns.
        width: of the maps.
    """
    edges = tuple(edge for window in (*down, *along) for edge in window)
    return (*edges, *_firsts(down, height), *_firsts(along, width))


def _firsts(windows: Edges, size: int) -> list[int]:
    return [sum(end <= place for _, end in windows) for place in range(size)]
