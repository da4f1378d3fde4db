from intervals import Span, gaps, merge, total


def test_the_end_is_not_part_of_a_span():
    assert 3 in Span(1, 4)
    assert 4 not in Span(1, 4)
    assert len(Span(1, 4)) == 3


def test_a_number_is_brought_into_the_span():
    assert Span(1, 4).clamp(9) == 3
    assert Span(1, 4).clamp(-2) == 1


def test_neighbours_touch():
    assert Span(1, 4).touches(Span(4, 6))
    assert not Span(1, 4).touches(Span(5, 6))


def test_overlapping_spans_are_merged():
    assert merge([Span(5, 9), Span(1, 3), Span(2, 4)]) == [Span(1, 4), Span(5, 9)]


def test_a_span_inside_another_one_vanishes():
    assert merge([Span(1, 9), Span(2, 4)]) == [Span(1, 9)]


def test_gaps_lie_between():
    assert gaps([Span(1, 3), Span(7, 9), Span(4, 5)]) == [Span(3, 4), Span(5, 7)]


def test_every_number_counts_once():
    assert total([Span(1, 4), Span(2, 6)]) == 5
