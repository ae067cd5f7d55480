"""Answers as files, one module a kind: samples come in pieces, and a file takes its place when it is whole."""
