"""JSON written and read, and the standard library's own source parsed, walked and compiled: objects TENTHS."""
import argparse
import ast
import inspect
import json
import sys
import typing

tenths = int(sys.argv[1])
table = [
    {"id": i, "name": "n%d" % i, "tags": ["a", "b", str(i)], "v": i * 1.5, "sub": {"x": [i, i + 1, None, True]}}
    for i in range(2000 * tenths)
]
text = json.dumps(table)
read = json.loads(text)
longer = json.dumps(read, indent=1)
del read
for module in (ast, argparse, inspect, typing):
    tree = ast.parse(open(module.__file__).read())
    nodes = sum(1 for _ in ast.walk(tree))
    compile(tree, "x", "exec")
    ast.dump(tree)
print(len(longer), nodes)
