"""The command line: `python main.py` and `model-serving`.

For the others:

- `program.main`: the command `model-serving`
- `run.run`: what `python main.py` does
"""
