"""A model as a running service: HTTP API, event store and page. It needs the extra 'serve', and never a solver.

settings ─ what can be configured      store, schema ─ ratings and keys in a database
running ─ the model that is served     people ─ a user from the model's ratings and the store's
edge, guard, limits ─ what stands before every request     problems ─ every error as a document
routes ─ the endpoints     shapes ─ what they take and give     app ─ all of it together
"""
