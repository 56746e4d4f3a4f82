"""Peers: other authors' methods, written anew from what is published, a file each.

May import: errors, options, files. A file holds what a peer is fed, its network or descriptor, and its training;
`registry` says what it has to define.
"""
