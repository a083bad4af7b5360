"""The Python host: holds one step's component code and speaks the host protocol (see ``protocol/README.md``).

Standard library only, for Python 3.11 and newer. It is not installed: a worker starts it by path in the component's own
environment, ``python -I …/headrace_host/__main__.py``, with the protocol's socket at file descriptor 3.
"""
