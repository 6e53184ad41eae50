"""Reading delimited text: separators, headers, columns, encodings, compression."""

import bz2
import gzip
import lzma
import os
import zipfile

import numpy as np
import pytest

from palate.reading import read_ratings, read_table
from reading_help import ROWS, lines, refused, triples, write


@pytest.mark.parametrize("separator", ["\t\t", "::", "\t", ";", "|", ",", " ", "   ", " \t "])
def test_separators_are_recognised(tmp_path, separator):
    assert triples(read_ratings(write(tmp_path, lines(ROWS, separator)))) == ROWS


@pytest.mark.parametrize("separator", ["@@", "=>", "→", "#", "a"])
def test_any_other_separator_can_be_told(tmp_path, separator):
    assert triples(read_ratings(write(tmp_path, lines(ROWS, separator)), separator=separator)) == ROWS


def test_a_tab_can_be_told_as_backslash_t(tmp_path):
    assert triples(read_ratings(write(tmp_path, lines(ROWS, "\t")), separator="\\t")) == ROWS


@pytest.mark.parametrize(
    "header",
    ["user,item,rating", "userId,movieId,rating", "Reviewer ID,ASIN,overall", "uid,iid,stars", "alpha,beta,gamma"],
)
def test_a_header_is_recognised(tmp_path, header):
    assert triples(read_ratings(write(tmp_path, header + "\n" + lines(ROWS)))) == ROWS


def test_columns_are_found_by_name_in_any_order(tmp_path):
    text = "timestamp,score,joke_id,user_id\n7,4.5,10,1\n8,-2,20,1\n"
    ratings = read_ratings(write(tmp_path, text))
    assert triples(ratings) == ROWS[:2]
    assert "'user_id', 'joke_id', 'score' and 'timestamp' are user, item, rating and time" in ratings.notes[0]
    assert "1 other ignored" in read_ratings(write(tmp_path, text), time=False).notes[0]


def test_columns_can_be_told_by_name_or_position(tmp_path):
    named = write(tmp_path, "a,b,c,d\n9,4.5,10,1\n9,-2,20,1\n", "named.csv")
    assert triples(read_ratings(named, user="d", item="c", rating="b")) == ROWS[:2]
    bare = write(tmp_path, "9,4.5,10,1\n9,-2,20,1\n", "bare.csv")
    assert triples(read_ratings(bare, user=3, item="2", rating=1)) == ROWS[:2]
    assert triples(read_ratings(bare, rating=1, user=3, item=2)) == ROWS[:2]


def test_columns_that_were_not_told_take_the_first_free_ones(tmp_path):
    path = write(tmp_path, "4.5,1,10\n-2,1,20\n")
    assert triples(read_ratings(path, rating=0)) == ROWS[:2]


def test_a_header_can_be_denied_or_insisted_on(tmp_path):
    path = write(tmp_path, "1,10,4.5\n1,20,-2\n")
    assert triples(read_ratings(path, header=True)) == [(1, 20, -2.0)]
    path = write(tmp_path, "user,item,rating\n1,20,-2\n")
    refused(path, "line 1: rating 'rating' is not a number", header=False)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"user": "who"}, "has no column 'who' for the user: its columns are 'a', 'b', 'c', 'd'"),
        ({"rating": 4}, "has no column 4 for the rating: it has 4, counted from 0"),
        ({"user": "a"}, "which column is the item?"),
        ({"user": "a", "item": "a", "rating": "b"}, "must be different columns"),
    ],
)
def test_columns_that_are_not_there_are_refused(tmp_path, told, message):
    refused(write(tmp_path, "a,b,c,d\n1,2,3,4\n"), message, **told)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("tail", ["", "\n", "\n\n\n"])
def test_line_ends_of_all_kinds(tmp_path, end, tail):
    text = ("user,item,rating\n" + lines(ROWS)[:-1] + tail).replace("\n", end)
    assert triples(read_ratings(write(tmp_path, text))) == ROWS


def test_quoted_fields(tmp_path):
    table = read_table(write(tmp_path, 'user,item,rating\n"a, b","say ""x""",3\nb,"two\nlines",4\nc,d,x\n'))
    assert table.frame["item"].to_list() == ['say "x"', "two\nlines", "d"]
    assert table.where(1).endswith("line 3")
    assert table.where(2).endswith("line 5")


def test_blank_lines_are_passed_over_and_counted(tmp_path):
    table = read_table(write(tmp_path, "\n1,10,4\n\n1,20,5\n \n2,10,x\n"))
    assert table.frame["user"].to_list() == [1, 1, 2]
    assert [table.locate(row) for row in range(3)] == ["line 2", "line 4", "line 6"]


def test_byte_order_mark_and_latin_1(tmp_path):
    assert triples(read_ratings(write(tmp_path, "\ufeffuser,item,rating\n1,10,4.5\n"))) == ROWS[:1]
    ratings = read_ratings(write(tmp_path, "José,Été,3\nZoë,Été,4\n".encode("latin-1")))
    assert ratings.users.ids.tolist() == ["José", "Zoë"]
    assert "not UTF-8" in ratings.notes[1]


@pytest.mark.parametrize(
    ("name", "pack"),
    [("x.gz", gzip.compress), ("x.bz2", bz2.compress), ("x.xz", lzma.compress), ("no-extension", gzip.compress)],
)
def test_compressed_files_are_known_by_their_content(tmp_path, name, pack):
    assert triples(read_ratings(write(tmp_path, pack(lines(ROWS).encode()), name))) == ROWS


def test_zstd_and_zip(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    packed = pyarrow.compress(b"user,item,rating\n\n1,10,4.5\n", codec="zstd", asbytes=True)
    table = read_table(write(tmp_path, packed, "x.csv.zst"))
    assert table.where(0).endswith("x.csv.zst, line 3")
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("folder/ratings.csv", lines(ROWS))
        archive.writestr("__MACOSX/x", "junk")
    assert triples(read_ratings(path)) == ROWS
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("README", "hello")
    refused(path, r"is a zip of 2 files \(folder/ratings.csv, README\)")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n \n", "holds nothing but blanks"),
        (gzip.compress(b"", mtime=0), "empty once unpacked"),
        (gzip.compress(lines(ROWS).encode(), mtime=0)[:-9], "damaged or cut short: it does not unpack as gzip"),
        (lines(ROWS).encode("utf-16-le"), "is UTF-16LE text"),
        (lines(ROWS).encode("utf-16-be"), "is UTF-16BE text"),
        (bytes(range(256)), "is not text: its byte 0 is 0x00"),
        (b"\x89PNG\r\n\x1a\n\x00", "is not text"),
        (b"SQLite format 3\x00", "is an SQLite database: read it as sqlite:///"),
        (b"hello world\nthis is prose\n", "no three columns"),
        (b"1\n3\n", "no three columns"),
        (b"1,2,3\n4,5,6\n7,8,9,10\n", "line 3 has 4 columns, 3 expected: '7,8,9,10'"),
        (b"1,2,3\n4,5\n7,8,9\n", "line 2 has 2 columns, 3 expected: '4,5'"),
        (b'1,2,3\n"4,5,6\n', "line 2 has a quote that does not close"),
        (b'1,2,3\n"4"5,5,6\n', "line 2 has malformed quotes"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, content, message):
    assert "ratings.csv" in refused(write(tmp_path, content), message)


def test_odd_lines_below_the_sample_are_found(tmp_path):
    good = "".join(f"{user},{item},3\n" for user in range(100) for item in range(10))
    refused(write(tmp_path, good + "5,77,3,1\n" + good), "line 1001 has 4 columns, 3 expected")
    refused(write(tmp_path, good + "5,77\n"), "line 1001 has 2 columns, 3 expected")
    refused(write(tmp_path, good + "5,77,good\n"), "line 1001: rating 'good' is not a number")


def test_missing_files_folders_and_odd_names(tmp_path):
    refused(tmp_path / "nothing.csv", "nothing.csv does not exist")
    refused(tmp_path, "is a directory without files: name the file")
    refused("x" * 5000, "cannot be read: File name too long")
    refused("a\0b", "cannot be read")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path):
    path = write(tmp_path, lines(ROWS))
    path.chmod(0)
    refused(path, "cannot be read: Permission denied")


def test_unreadable_files_by_any_user(tmp_path, monkeypatch):
    path = write(tmp_path, lines(ROWS))

    def deny(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.open", deny)
    refused(path, "cannot be read: Permission denied")


@pytest.mark.parametrize("separator", ["", '"', "\n"])
def test_impossible_separators(tmp_path, separator):
    refused(write(tmp_path, lines(ROWS)), "cannot be a separator", separator=separator)


def test_a_separator_that_is_not_there(tmp_path):
    refused(
        write(tmp_path, lines(ROWS)), "has, with the separator ';', 1 column instead of three columns", separator=";"
    )


def test_a_header_must_name_every_column(tmp_path):
    refused(write(tmp_path, "user item rating\n7 7 70 5\n7 7 71 4\n"), "names 3 columns, 4 stand below")


def test_many_blanks_take_no_time(tmp_path):
    text = "1 2 3\n" * 20 + "1" + " " * 200_000 + "2 4\n"
    assert read_ratings(write(tmp_path, text), duplicates="last").rating.tolist() == [4]


def test_published_files(data):
    jester = read_ratings(data / "jester" / "jester5k_ratings.dat")
    assert (len(jester), len(jester.users), len(jester.items)) == (363_209, 5_000, 100)
    assert "two tabs" in jester.notes[0]
    movielens = read_ratings(data / "ml-100k" / "u.data")
    assert (len(movielens), len(movielens.users), len(movielens.items)) == (100_000, 943, 1_682)
    million = read_ratings(data / "ml-1m" / "ratings.dat")
    assert (len(million), len(million.users), len(million.items)) == (1_000_209, 6_040, 3_706)


def test_the_published_wide_file(data):
    ratings = read_ratings(data / "jester1" / "jester-data-1.csv")
    assert (len(ratings), len(ratings.users), len(ratings.items)) == (1_810_455, 24_983, 100)
    assert (ratings.rating.min(), ratings.rating.max()) == (np.float32(-9.95), 10)
    assert "wide layout" in ratings.notes[0]


LETTERS = {
    "WINDOWS-1251": ("cp1251", "пользователь;фильм;оценка\nАнна;Сталкер;5\nИван;Зеркало;4\n"),
    "KOI8-R": ("koi8_r", "пользователь;фильм;оценка\nАнна;Сталкер;5\nИван;Зеркало;4\n"),
    "WINDOWS-1253": ("cp1253", "χρήστης;ταινία;βαθμός\nΆννα;Ζορμπάς;5\nΝίκος;Ζορμπάς;4\n"),
    "WINDOWS-1255": ("cp1255", "משתמש,סרט,דירוג\nדנה,שואה,5\nיוסי,שואה,3\n"),
    "WINDOWS-1250": ("cp1250", "użytkownik;książka;ocena\nŁukasz;Źdźbło;5\nŻaneta;Źdźbło;4\n"),
    "SHIFT-JIS": ("cp932", "ユーザー,映画,評価\n太郎,七人の侍,5\n花子,千と千尋,4\n"),
    "EUC-KR": ("euc_kr", "사용자,영화,평점\n철수,기생충,5\n영희,기생충,4\n"),
    "GB18030": ("gb18030", "用户,电影,评分\n张三,英雄,5\n李四,卧虎藏龙,4\n"),
    "BIG5": ("big5", "用戶,電影,評分\n張三,英雄,5\n李四,臥虎藏龍,4\n"),
}


@pytest.mark.parametrize("name", LETTERS)
def test_other_alphabets_than_latin_are_no_gibberish(tmp_path, name):
    codec, text = LETTERS[name]
    refused(write(tmp_path, text.encode(codec)), f"is no UTF-8 text, perhaps {name}: convert it first")
    assert read_ratings(write(tmp_path, text)).users.ids.tolist() == sorted(
        line.replace(";", ",").split(",")[0] for line in text.split("\n")[1:3]
    )


def test_another_alphabet_far_below_the_first_lines_is_found(tmp_path):
    text = lines([(f"u{user % 7}", f"i{user}", 3) for user in range(9000)]).encode()
    refused(write(tmp_path, text + "Анна,Сталкер,5\nИван,Зеркало,4\n".encode("cp1251")), "perhaps WINDOWS-1251")


def test_western_letters_of_windows_stay(tmp_path):
    text = "Nutzer;Titel;Note\nJürgen;Größe;5\nZoë;Café – “Noir”;4\n"
    ratings = read_ratings(write(tmp_path, text.encode("cp1252")))
    assert triples(ratings) == [("Jürgen", "Größe", 5.0), ("Zoë", "Café – “Noir”", 4.0)]
    assert "windows-1252" in ratings.notes[1]


def test_a_damaged_byte_does_not_change_all_other_letters(tmp_path):
    text = "José,é,4\nZoë,ü,3\nJosé,ö,4\nZoë,ä,3\nAnaïs,ç,1\nAnaïs,à,1\n".encode() + b"Z\xe9,ae,4\n"
    ratings = read_ratings(write(tmp_path, text))
    assert ratings.users.ids.tolist() == ["Anaïs", "José", "Zoë", "Z\ufffd"]
    assert "1 character of another encoding than UTF-8" in ratings.notes[1]


def test_what_was_packed_twice_and_what_systems_add_to_archives(tmp_path):
    text = lines(ROWS).encode()
    assert triples(read_ratings(write(tmp_path, gzip.compress(gzip.compress(text)), "x.gz.gz"))) == ROWS
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("ratings.csv", text)
        for junk in ("folder/", ".DS_Store", "folder/.DS_Store", "Thumbs.db", "__MACOSX/._ratings.csv"):
            archive.writestr(junk, "junk")
    assert triples(read_ratings(path)) == ROWS


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"-- a dump\nCREATE TABLE r (u int);\nINSERT INTO r VALUES (1, 2, 3);\n", "is a dump of a database: load it"),
        (b"% weka\n@RELATION r\n@attribute u numeric\n@data\n1,2,3\n", "is an ARFF file: load it"),
        (b"- user: 1\n  item: 2\n  rating: 3\n", "is a YAML file: load it"),
        (b"<table><tr><td>1</td></tr></table>", "is a page of the web"),
        (b"\x80\x02]q\x00.", "is a pickle"),
        (gzip.compress(b"PAR1" + b"\x00" * 20, mtime=0), "holds a Parquet or Arrow file: unpack it"),
    ],
)
def test_tables_in_other_languages_are_named(tmp_path, content, match):
    refused(write(tmp_path, content), match)
