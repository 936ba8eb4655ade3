"""The command line: `python main.py` and `model-serving`.

For the others:

- `program.main`: the command `model-serving`
- `run.arguments`: what was typed, as docopt can read it
- `run.run`: what `python main.py` does
"""
