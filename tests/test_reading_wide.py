"""Reading the wide layout: spreadsheets, pivot tables, matrices."""

from palate.errors import SettingsError
from palate.reading import read_ratings, read_table
from reading_help import refused, write

WIDE = "2,99,1.5,99,-3,99,99,99\n3,4,99,99,1,99,99,2\n7,1,2,3,4,5,6,7\n"


def test_the_wide_layout_is_recognised_and_said(tmp_path):
    table = read_table(write(tmp_path, WIDE))
    assert table.frame.rows()[:5] == [(1, 2, 1.5), (1, 4, -3.0), (2, 1, 4.0), (2, 4, 1.0), (2, 7, 2.0)]
    assert len(table) == 12
    assert table.where(4).endswith("ratings.csv, line 2, column 8")
    assert "wide layout: a row a user" in table.notes[0]


def test_the_wide_layout_can_be_denied_and_insisted_on(tmp_path):
    path = write(tmp_path, WIDE)
    assert read_table(path, layout="long", user=0, item=1, rating=2).frame.rows()[0] == (2, 99, 1.5)
    small = write(tmp_path, "1,4,0\n2,3,3\n", "small.csv")
    assert read_table(small).frame.rows() == [(1, 4, 0.0), (2, 3, 3.0)]
    assert read_table(small, layout="wide", missing=0).frame.rows() == [(1, 1, 4.0), (2, 1, 3.0), (2, 2, 3.0)]


def test_a_long_table_of_a_single_user_is_not_taken_for_a_wide_one(tmp_path):
    path = write(tmp_path, "3,10,4,881250949\n3,20,5,881250950\n3,30,1,881250951\n")
    assert read_table(path).frame.rows() == [
        (3, 10, 4.0, 881250949),
        (3, 20, 5.0, 881250950),
        (3, 30, 1.0, 881250951),
    ]


def test_wide_cells_may_be_empty_and_columns_named(tmp_path):
    text = "count,a,b,c,d,e,f\n2,1,,99,3,99,\n1,99,99,99,99,99,5\n"
    assert read_table(write(tmp_path, text)).frame.rows() == [(1, "a", 1.0), (1, "d", 3.0), (2, "f", 5.0)]


def test_wide_rows_that_miscount_are_noted_and_text_is_found(tmp_path):
    path = write(tmp_path, WIDE + "5,1,99,99,99,99,99,99\n")
    assert "1 rows hold another number" in read_table(path, layout="wide").notes[1]
    path = write(tmp_path, WIDE * 5 + "2,1,good,99,99,99,99,99\n")
    refused(path, "line 16, column 3: rating 'good' is not a number")
    path = write(tmp_path, WIDE * 5 + "2,1,2\n")
    refused(path, "line 16 has 3 columns, 8 expected")


def test_options_that_contradict_a_layout(tmp_path):
    path = write(tmp_path, WIDE)
    refused(path, "layout must be one of auto, long, wide", SettingsError, layout="tall")
    refused(path, "a wide table has no item column", SettingsError, layout="wide", item=0)


def test_a_long_table_is_not_taken_for_a_wide_one(tmp_path):
    text = "user,item,rating,day,hour,device,session\n" + "".join(f"6,{i},3,1,1,1,1\n" for i in range(120))
    assert len(read_ratings(write(tmp_path, text)).items) == 120
