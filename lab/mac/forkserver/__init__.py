"""One warm Python process per machine, which runs the short-lived stand-ins.

A Mac's pfctl takes a millisecond; a stand-in in Python takes fifty, nearly all of it to start the
interpreter and import. The fork server has imported the stand-ins and forks a child for each call.
What the machine executes is `client.c`: it hands its open files over and waits for the status.
"""
