"""A page to draw on and the server behind it; stands on `digits.reading`, knows no torch.

`make_app` (app.py) gives the ASGI application, `run_server` (server.py) keeps it on a port.
"""
