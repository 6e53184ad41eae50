"""A model as a running service: HTTP API, event store and web page. It needs the extra 'serve', and no solver.

settings ─ what can be configured                     store, database, tables, read_cache ─ ratings and API keys
loaded_model, model_holder ─ the model being served   profiles ─ a user from the model's and the store's ratings
middleware, auth, limits, logs, metrics ─ what happens before and after every request
routes ─ the endpoints        schemas, serializers ─ requests and responses        problems ─ errors as documents
app_state, app, server, schedule ─ all of it together  portable ─ what operating systems do differently
"""
