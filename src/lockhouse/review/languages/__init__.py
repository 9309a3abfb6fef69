"""One module per programming language: how it imports. Everything else about a language is a row in `tree.LANGUAGES`.

To add a language: a grammar wheel, a row there, and a module here with `imports(tree)`.
"""
