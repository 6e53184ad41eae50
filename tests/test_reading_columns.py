"""Which columns are which: names in many languages, and no guess by position where it is not plain."""

import pandas as pd
import polars as pl
import pytest

from palate.reading import read_ratings, read_table
from palate.reading.names import CATALOGUE, RATINGS, find_roles, plain_name
from reading_help import refused, triples, write

ROWS = [("7", "B1", "5"), ("7", "B2", "3"), ("8", "B1", "1")]


def by_name(tmp_path, names, order=(2, 0, 1), extra=True):
    """Write a table whose columns stand in another order, one of them without meaning in front."""
    columns = [names[place] for place in order]
    text = ",".join(["zzz", *columns] if extra else columns) + "\n"
    for number, row in enumerate(ROWS):
        cells = [row[place] for place in order]
        text += ",".join([str(number % 2), *cells] if extra else cells) + "\n"
    return write(tmp_path, text)


@pytest.mark.parametrize(
    "names",
    [
        "customer_id sku stars",
        "CustomerID StockCode Quantity",
        "user_id parent_asin rating",
        "reviewerID asin overall",
        "user_id gmap_id rating",
        "userID placeID rating",
        "uid iid rate",
        "buyer product_name score",
        "user_email item_no grade",
        "user_id business_id stars",
        "User-ID ISBN Book-Rating",
        "user_id:token item_id:token rating:float",
        "userId movieId rating",
        "userID artistID weight",
        "reader Book_Code vote",
        "Kundennummer Artikelnummer Bewertung",
        "Benutzer Buch Sterne",
        "Käufer Produkt Note",
        "utilisateur livre évaluation",
        "acheteur produit note",
        "usuario película puntuación",
        "cliente artículo calificación",
        "usuário filme nota",
        "utente prodotto valutazione",
        "gebruiker boek beoordeling",
        "klant artikel cijfer",
    ],
)
def test_names_are_known_in_any_order(tmp_path, names):
    ratings = read_ratings(by_name(tmp_path, names.split()))
    assert triples(ratings) == [(7, "B1", 5.0), (7, "B2", 3.0), (8, "B1", 1.0)]


def test_an_id_is_preferred_to_a_name():
    assert find_roles(["reviewerName", "reviewerID", "product_title", "product_id"]) == {"user": 1, "item": 3}
    assert find_roles(["title", "asin", "description"], CATALOGUE) == {"id": 1, "title": 0, "text": 2}
    assert find_roles(["a", "b"]) == {}
    assert plain_name("__") == "__"


def test_names_are_spelled_plainly_once_each():
    for roles in (RATINGS, CATALOGUE):
        for role, names in roles.items():
            for name in names:
                assert find_roles([name], {role: names}) == {role: 0}, name


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a,b,c,d\n1,10,5,x\n1,20,4,y\n2,10,3,x\n", "--columns a,b,c"),
        ("id,kind,thing,what,how\n1,x,10,5,0.5\n2,y,20,4,0.2\n3,x,10,3,0.1\n", "--columns "),
        ("1,10,Drama,5,M,20\n1,20,Comedy,4,M,20\n2,10,Drama,3,F,30\n", "--columns 0,1,3"),
        ("0,1,10,5\n1,1,20,4\n2,2,10,3\n", "--columns 1,2,3"),
        ("1,10,5,7\n1,20,4,8\n2,10,3,9\n", "--columns 0,1,2"),
    ],
)
def test_what_is_not_plain_is_refused_with_a_line_to_paste(tmp_path, text, line):
    message = refused(write(tmp_path, text), "There are ")
    assert f"say so, for example {line}" in message
    assert "user=" in message


def test_the_line_to_paste_works(tmp_path):
    path = write(tmp_path, "zeile,wer,wo,wie\n1,10,5,x\n2,20,4,y\n3,10,3,x\n")
    refused(path, "which column")
    assert len(read_ratings(path, user="wer", item="wo", rating="zeile")) == 3


def test_one_of_several_unknown_columns_is_asked_for(tmp_path):
    path = write(tmp_path, "user,item,helpful,funny\n1,10,5,7\n1,20,4,8\n")
    refused(path, "which column is the rating\\? There are 'user', 'item', 'helpful', 'funny'")


def test_words_are_no_ratings(tmp_path):
    path = write(tmp_path, "timestamp,visitorid,event,itemid\n1433221332117,2,view,3\n1433221332118,2,buy,4\n")
    message = refused(path, "which column is the rating")
    assert "--columns visitorid,itemid (user='visitorid', item='itemid', rating=False)" in message
    ratings = read_ratings(path, user="visitorid", item="itemid", rating=False)
    assert ratings.rating.tolist() == [1, 1]
    assert ratings.time.tolist() == [1433221332, 1433221332]


@pytest.mark.parametrize("name", ["", "Unnamed: 0", "index", "row"])
def test_a_column_that_numbers_the_rows_is_no_user(tmp_path, name):
    path = write(tmp_path, f"{name},a,b,c\n0,1,10,5\n1,1,20,4\n2,2,10,3\n")
    assert triples(read_ratings(path)) == [(1, 10, 5.0), (1, 20, 4.0), (2, 10, 3.0)]
    path = write(tmp_path, f"{name},user,item\n0,1,10\n1,1,20\n2,2,10\n")
    assert triples(read_ratings(path)) == [(1, 10, 1.0), (1, 20, 1.0), (2, 10, 1.0)]


def test_a_frame_that_was_saved_with_its_index(tmp_path):
    frame = pd.DataFrame({"customer": [1, 1, 2], "sku": ["a", "b", "a"], "stars": [5, 4, 3]})
    frame.to_csv(tmp_path / "x.csv")
    assert triples(read_ratings(tmp_path / "x.csv")) == [(1, "a", 5.0), (1, "b", 4.0), (2, "a", 3.0)]


def test_empty_columns_do_not_count(tmp_path):
    assert len(read_ratings(write(tmp_path, "1,10,5,\n1,20,4,\n2,10,3,\n"))) == 3


def test_frames_and_arrays_are_not_guessed_either():
    frame = pl.DataFrame({"a": [1, 1, 2], "b": [10, 20, 10], "c": ["x", "y", "x"], "d": [5, 4, 3]})
    refused(frame, "the polars frame: which columns are user, item and rating")
    assert len(read_table(frame, user="a", item="b", rating="d")) == 3
    refused(frame.drop("c").with_columns(e=7).to_numpy(), "the array: which columns .* 4 without names")


def test_names_with_odd_characters_keep_to_one_line(tmp_path):
    message = refused(write(tmp_path, '"a\nb",c,d,e\n1,10,5,x\n1,20,4,y\n'), r"'a\\nb'")
    assert "--columns 0,1,2" in message


def test_every_user_once_is_a_warning():
    rows = [(user, user % 3, 4) for user in range(10)]
    with pytest.warns(UserWarning, match="every user has exactly one rating: is the user column right"):
        read_ratings(rows)
    read_ratings([*rows, (0, 77, 4)])


@pytest.mark.parametrize(
    "names",
    ["betyg,bok,användare", "评分,物品,用户", "ocena,książka,użytkownik", "оценка,товар,пользователь", "note,id_film,id_utilisateur",
     "review.stars,product.sku,user.id", "mean,item,user"],
)  # fmt: skip
def test_names_in_more_languages_and_in_another_order(tmp_path, names):
    path = write(tmp_path, f"{names}\n3,x,a\n4,y,b\n1,y,c\n")
    assert triples(read_ratings(path)) == [("a", "x", 3.0), ("b", "y", 4.0), ("c", "y", 1.0)]


def test_three_unknown_names_whose_last_column_holds_words(tmp_path):
    path = write(tmp_path, "q1,q2,q3\n" + "".join(f"{n % 3 + 1},i{n % 4},u{n}\n" for n in range(9)))
    refused(path, "say so, for example --columns q2,q3,q1")


def test_a_name_that_comes_twice_is_not_taken_for_two_roles(tmp_path):
    path = write(tmp_path, "user,rating,rating\n1,1,4\n2,2,5\n3,3,1\n")
    refused(path, "several columns called 'rating': rename all but one")
    assert triples(read_ratings(path, user=0, item=1, rating=2)) == [(1, 1, 4.0), (2, 2, 5.0), (3, 3, 1.0)]


def test_the_author_of_a_book_is_no_user(tmp_path):
    header = "Book Id,Title,Author,My Rating,Average Rating,Date Added"
    path = write(tmp_path, f"{header}\n1,Dune,Herbert,5,4.2,2019/12/01\n2,Emma,Austen,3,4.0,2019/12/02\n")
    message = refused(path, "which column is the user")
    assert "Date Added" not in message.partition("for example")[2]
    assert "rating='My Rating'" in message
    path = write(tmp_path, "author,recipe,rating\nann,tea,5\nbob,tea,3\nann,milk,1\n")
    assert triples(read_ratings(path))[0] == ("ann", "tea", 5.0)


@pytest.mark.parametrize(
    "header",
    [
        "username,anime_id,my_watched_episodes,my_score",
        "review_profilename,beer_name,beer_abv,review_overall",
        "author.steamid,appid,author.playtime_at_review,voted_up",
        "handle,album,plays,Your Rating",
        "User [id],Movie Title,Year,Rating (0-1 stars)",
    ],
)
def test_names_of_more_exports(tmp_path, header):
    path = write(tmp_path, f"{header}\nann,7,12,1\nbob,8,13,0\nann,8,14,1\n")
    assert triples(read_ratings(path)) == [("ann", 7, 1.0), ("bob", 8, 0.0), ("ann", 8, 1.0)]
