"""Adapters on disk and the decision whether one may be used."""
