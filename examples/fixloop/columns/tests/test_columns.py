from columns import align, paragraph, shorten, table, widths

ROWS = [("apple", 3), ("fig", 12)]


def test_a_column_is_as_wide_as_its_widest_cell():
    assert widths(ROWS) == [5, 2]


def test_text_goes_left_and_numbers_right():
    assert table(ROWS) == "apple   3\nfig    12"


def test_a_cell_is_padded():
    assert align("a", 3) == "a  "
    assert align("a", 3, "right") == "  a"


def test_a_paragraph_is_broken_at_its_width():
    assert paragraph("one two three", width=7) == "one two\nthree"


def test_a_paragraph_is_indented():
    assert paragraph("one two", width=6, indent=2) == "  one\n  two"


def test_short_text_stays_whole():
    assert shorten("abcdef", 6) == "abcdef"


def test_long_text_ends_in_dots_and_fits():
    assert shorten("abcdefgh", 6) == "abc..."
