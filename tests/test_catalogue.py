import gzip

import pytest

from palate.catalogue import Catalogue, Entry
from palate.errors import ReadError
from palate.reading.catalogue import read_catalogue

BLOCKS = """1:
<p>
He said, &quot;It&#039;s two &lt; three&quot;.<br />
<br />
"No!"
</p>

2:
<p>Caf&eacute; <b>bold</b></p><p>Second.</p>
<script>alert(1)</script>

10:
plain
"""


def read(tmp_path, text, name="items.dat", encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return read_catalogue(path)


def test_html_blocks_become_plain_text_with_their_paragraphs(tmp_path):
    jokes = read(tmp_path, BLOCKS)
    assert jokes.text(1) == 'He said, "It\'s two < three".\n\n"No!"'
    assert jokes.text(2) == "Café bold\n\nSecond."
    assert jokes.text("10") == "plain"
    assert len(jokes) == 3
    assert jokes.title(1).startswith("He said, \"It's two")


def test_lines_end_as_on_windows_and_files_may_be_packed(tmp_path):
    path = tmp_path / "items.dat.gz"
    path.write_bytes(gzip.compress(BLOCKS.replace("\n", "\r\n").encode()))
    assert read_catalogue(path).text(2) == "Café bold\n\nSecond."


@pytest.mark.parametrize(
    ("text", "id", "entry"),
    [
        ("id,title,text\n1,A,B\n2,C,D\n", 1, Entry("A", "B")),
        ('movieId,title,genres\n7,"Film, The (1995)",Comedy\n', 7, Entry("Film, The (1995)", "")),
        ("isbn;name\nX-1;Ein Buch\n", "X-1", Entry("Ein Buch", "")),
        ("id\tjoke\n3\tHa\n", 3, Entry("", "Ha")),
        ("joke_id,joke\n3,Ha\n", 3, Entry("", "Ha")),
        ("1|Toy Story (1995)|01-Jan-1995||x|0\n2|Été (1996)||||1\n", 2, Entry("Été (1996)", "")),
        ('1::"Great" Film, The (1995)::Drama|War\n2::B::C\n', 1, Entry('"Great" Film, The (1995)', "")),
        ("title,item\nA,007\n", "007", Entry("A", "")),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_tables_of_items(tmp_path, text, id, entry, encoding):
    assert read(tmp_path, text, encoding=encoding).get(id) == entry


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Just some prose.\nAnd more, of it.\n", "no catalogue: neither numbered HTML blocks"),
        ("alpha,beta\n1,2\n", "needs a header with an id and a title or text column, not 'alpha', 'beta'"),
        ("id,title\n1,A\n1,B\n", "names item 1 twice"),
        ("prelude\n1:\n<p>x</p>\n", "1 lines stand before its first numbered block"),
        ("", "is empty"),
        ("id,title\n1,A\n2,B,C\n3,D\n", "line 3 has 3 columns, 2 expected"),
    ],
)
def test_what_is_no_catalogue_is_refused(tmp_path, text, message):
    with pytest.raises(ReadError, match=message):
        read(tmp_path, text)


def test_binary_missing_and_folders_are_refused(tmp_path):
    with pytest.raises(ReadError, match="not text"):
        read(tmp_path, "1:\n\x01\x02")
    with pytest.raises(ReadError, match="does not exist"):
        read_catalogue(tmp_path / "nothing.csv")
    with pytest.raises(ReadError, match="directory"):
        read_catalogue(tmp_path)


def test_ids_are_found_as_numbers_and_as_text():
    items = Catalogue({10: Entry("ten", ""), "x": Entry("", "first line\nsecond")})
    assert items.get("10") == items.get(10) == Entry("ten", "")
    assert items.get("010") is None
    assert items.title("x") == "first line second"
    assert items.text("x") == "first line\nsecond"
    assert items.title(99) == items.text(99) == "99"
    assert Catalogue({"10": Entry("ten", "")}).title(10) == "ten"


def test_long_titles_end_in_an_ellipsis():
    title = Catalogue({1: Entry("", "word " * 50)}).title(1)
    assert len(title) <= 60
    assert title.endswith("…")


def test_the_published_catalogues(data):
    jokes = read_catalogue(data / "jester" / "jester_items.dat")
    assert len(jokes) == 150
    assert jokes.text(1).endswith('\n\nThe man replies, "Well, thank God I don\'t have cancer!"')
    assert "<" not in "".join(jokes.text(id).replace("<-", "") for id in jokes.entries)
    assert read_catalogue(data / "ml-100k" / "u.item").title(1) == "Toy Story (1995)"
    films = read_catalogue(data / "ml-1m" / "movies.dat")
    assert (len(films), films.title(1)) == (3883, "Toy Story (1995)")
