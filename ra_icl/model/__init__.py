"""The network: backbone, attention maps (IRC), region discovery (MRD) and the Siamese pair.

May import `errors` and `options`.
"""
