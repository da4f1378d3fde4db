"""Small statistics over CSV text."""

import csv
import io
import statistics


def read(text, delimiter=","):
    """Rows as dictionaries."""
    return list(csv.DictReader(io.StringIO(text), delimiter=delimiter))


def column(rows, name, kind=float):
    """The values of a column; empty cells are left out."""
    return [kind(row[name]) for row in rows if row[name].strip()]


def summary(values):
    """Mean, median and spread, rounded to two places."""
    return {
        "mean": round(statistics.fmean(values), 2),
        "median": round(statistics.median(values), 2),
        "spread": round(statistics.pstdev(values), 2),
    }


def top(rows, name, count=2):
    """The rows with the largest values in a column, the largest first."""
    filled = [row for row in rows if row[name].strip()]
    return sorted(filled, key=lambda row: float(row[name]), reverse=True)[:count]


def group(rows, key, name):
    """The sum of a column for each value of another one."""
    sums = {}
    for row in rows:
        sums[row[key]] = sums.get(row[key], 0.0) + float(row[name] or 0)
    return sums
