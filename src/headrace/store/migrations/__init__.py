"""The steps that bring a database to the present tables, run by `headrace.store.database.Database.migrate`.

A change of `headrace.store.tables` comes with one more file in ``versions``; files that were released never change.
"""
