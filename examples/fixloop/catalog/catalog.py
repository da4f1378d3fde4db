"""Products as they come in and go out."""

from marshmallow import Schema, ValidationError, fields, validate


class ProductSchema(Schema):
    name = fields.String(required=True, validate=validate.Length(min=1))
    price = fields.Integer(load_default=0)
    tags = fields.List(fields.String(), load_default=list)
    label = fields.String(dump_default="-")


def load(data):
    """A checked product; what is missing gets its default."""
    return ProductSchema().load(data)


def dump(product):
    """A product as it is sent."""
    return ProductSchema().dump(product)


def problems(data):
    """The names of the fields that are wrong, in order."""
    try:
        ProductSchema().load(data)
    except ValidationError as error:
        return sorted(error.messages)
    return []


def page(products, number, size=10):
    """The products of one page; the first page has number 1."""
    first = (number - 1) * size
    return products[first : first + size]
