"""A page to draw on and its server, on top of `digits.reading`, without torch.

`make_app` (app.py) makes the ASGI application, `run_server` (server.py) serves it on a port.
"""
