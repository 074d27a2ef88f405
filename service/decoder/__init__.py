"""The process that decodes media, and the only one that opens untrusted bytes.

`service.verifier.decoding.process` starts it with limits of its own. It reads jobs from its standard input and answers
each on its standard output: a head of two lengths, JSON, bytes. It measures and never judges, and it holds no secret.
"""
