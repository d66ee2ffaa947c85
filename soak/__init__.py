"""Looks for hours whether anything can be lost or made wrong: `make soak`. How fast is bench's."""
