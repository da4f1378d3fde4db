from catalog import dump, load, page, problems


def test_what_is_missing_gets_its_default():
    assert load({"name": "pen"}) == {"name": "pen", "price": 0, "tags": []}


def test_what_is_given_stays():
    data = {"name": "pen", "price": 3, "tags": ["blue"], "label": "new"}
    assert load(data) == data


def test_a_product_without_a_label_gets_a_dash():
    assert dump({"name": "pen", "price": 3, "tags": []})["label"] == "-"


def test_wrong_fields_are_named():
    assert problems({"name": "", "price": "x"}) == ["name", "price"]
    assert problems({"name": "pen"}) == []


def test_pages_begin_with_one():
    assert page(list(range(25)), 1) == list(range(10))
    assert page(list(range(25)), 3) == [20, 21, 22, 23, 24]


def test_a_page_has_its_size():
    assert page([1, 2, 3, 4, 5], 2, size=2) == [3, 4]
