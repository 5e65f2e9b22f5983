"""A project's folder and what is in it: values, lock, environment, record of what is up.

Used by the command line, which runs in the tools' environment or in the project's own; so each
module imports what only one of them has (PyYAML, jsonschema) when it is first needed.
"""
