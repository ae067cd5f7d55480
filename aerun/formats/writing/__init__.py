"""Answers as files, one module for each kind. Samples come in pieces, and a file takes its place once it is whole."""
