"""Help for tests of reading: files with a given content, ratings as triples, refusals in one line."""

import pytest

from palate.errors import ReadError
from palate.reading import read_ratings

ROWS = [(1, 10, 4.5), (1, 20, -2.0), (3, 10, 0.25), (2, 30, 5.0)]


def write(tmp_path, content, name="ratings.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def lines(rows, separator=","):
    return "".join(separator.join(map(str, row)) + "\n" for row in rows)


def triples(ratings):
    users, items = ratings.users.ids.tolist(), ratings.items.ids.tolist()
    return [
        (users[user], items[item], rating)
        for user, item, rating in zip(ratings.user, ratings.item, ratings.rating.tolist(), strict=True)
    ]


def refused(source, match, kind=ReadError, **options):
    with pytest.raises(kind, match=match) as caught:
        read_ratings(source, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert "\x1f" not in message
    return message
