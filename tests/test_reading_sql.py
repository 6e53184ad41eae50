"""Reading from databases."""

import sqlite3

import pytest

from palate.errors import MissingExtraError, ReadError
from palate.reading import read_ratings, read_table
from reading_help import ROWS, lines, refused, triples, write


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "x.db"
    with sqlite3.connect(path) as connection:
        connection.execute("create table ratings (stars real, item text, user integer)")
        rows = [(rating, f"i:{item}", user) for user, item, rating in ROWS] + [(None, "i:1", 9)]
        connection.executemany("insert into ratings values (?, ?, ?)", rows)
    connection.close()
    return f"sqlite:///{path}"


def test_a_query_on_sqlite(database):
    expected = [(user, f"i:{item}", rating) for user, item, rating in ROWS]
    assert triples(read_ratings(database, query="select * from ratings where stars is not null")) == expected
    one = read_ratings(database, query="select user as a, item as b, stars as c from ratings where item = 'i:20'")
    assert triples(one) == expected[1:2]
    refused(database, "x.db, row 5: the rating is missing", query="select * from ratings")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (None, "a database needs a query, such as"),
        ("selec 1", "syntax error"),
        ("select * from nowhere", "no such table: nowhere"),
        ("select user from ratings", "has 1 column"),
        ("update ratings set stars = 1", "attempt to write a readonly database"),
        ("drop table ratings", "attempt to write a readonly database"),
    ],
)
def test_queries_that_fail(database, query, message):
    refused(database, message, query=query)


def test_nothing_is_written_by_a_query(database):
    for query in ("delete from ratings", "drop table ratings", "create table more (x)"):
        refused(database, "readonly", query=query)
    assert len(read_table(database, query="select * from ratings")) == 5


def test_a_database_that_is_not_there_is_not_made(tmp_path):
    refused(f"sqlite:///{tmp_path}/no.db", "no.db does not exist", query="select 1, 2, 3")
    assert not (tmp_path / "no.db").exists()
    refused(f"sqlite:///{tmp_path}", "is a directory", query="select 1, 2, 3")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://me:secret@127.0.0.1:1/db", "refused"),
        ("postgres://me:secret@127.0.0.1:1/db", "refused"),
        ("postgresql+psycopg://me:secret@127.0.0.1:1/db", "refused"),
        ("postgresql://me:secret@host:port/db", "no database URL that SQLAlchemy understands"),
        ("nothing://me:secret@host/db", "knows no database 'nothing'"),
        ("https://me:secret@example.org/ratings.csv", "fetch it first"),
    ],
)
def test_urls_that_lead_nowhere_never_show_the_password(url, message):
    assert "secret" not in refused(url, message, query="select 1, 2, 3")


def test_a_query_needs_a_url(tmp_path):
    refused(write(tmp_path, lines(ROWS)), "a query needs a database URL", query="select 1")


def test_sqlalchemy_is_optional(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sqlalchemy", None)
    refused("sqlite:///x.db", r"pip install '\.\[sql\]'", MissingExtraError, query="select 1")


def test_a_query_on_postgresql(postgresql):
    query = "select 'u:' || (n % 3)::text as user_id, n as item, (n::numeric / 2) as stars from generate_series(1, 9) n"
    ratings = read_ratings(postgresql, query=query)
    assert triples(ratings)[:2] == [("u:1", 1, 0.5), ("u:2", 2, 1.0)]
    assert len(ratings) == 9
    assert triples(read_ratings(postgresql, query="select 1, 2, 3 where 'a%b' like '%b'")) == [(1, 2, 3.0)]
    assert refused(postgresql, 'relation "nothing" does not exist$', query="select * from nothing")


def test_secrets_in_urls_are_not_shown():
    for url in (
        "postgresql://127.0.0.1:1/db?user=u&password=S3cret",
        "postgresql://u:p@S3cret@127.0.0.1:1/db",
        "https://user:S3cret/x@host/x.csv",
        "https://host/x.csv?token=S3cret",
    ):
        with pytest.raises((ReadError, MissingExtraError)) as caught:
            read_ratings(url, query="select 1, 2, 3")
        assert "S3cret" not in str(caught.value)
