from csvstats import column, group, read, summary, top

TEXT = "city,kind,size\nOslo,a,4\nRome,b,9\nBonn,a,\nBari,b,2\n"


def test_rows_have_names():
    assert read(TEXT)[0] == {"city": "Oslo", "kind": "a", "size": "4"}


def test_another_delimiter_can_be_given():
    assert read("a;b\n1;2\n", delimiter=";") == [{"a": "1", "b": "2"}]


def test_empty_cells_are_left_out():
    assert column(read(TEXT), "size") == [4.0, 9.0, 2.0]


def test_the_summary_has_three_numbers():
    assert summary([4.0, 9.0, 2.0]) == {"mean": 5.0, "median": 4.0, "spread": 2.94}


def test_the_largest_come_first():
    assert [row["city"] for row in top(read(TEXT), "size")] == ["Rome", "Oslo"]


def test_sums_by_kind():
    assert group(read(TEXT), "kind", "size") == {"a": 4.0, "b": 11.0}
