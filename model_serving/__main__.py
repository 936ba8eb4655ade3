"""`python -m model_serving` is `model-serving`."""

from model_serving.commands.program import main

main()
