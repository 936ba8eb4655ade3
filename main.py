"""model-serving: each model behind a validated JSON endpoint, POST /v1/<Model>.

Usage:
  main.py [-a <host> | --host=<host>] [-p <port> | --port=<port>] [-d | --debug] [--models=<names>]
  main.py new <Model>
  main.py key <name>
  main.py plan --model=<name> --rate=<per-second> [--rows=<n>] [--busy=<percent>] [--cores=<n>]
               [--memory=<MiB>] [--price-instance-hour=<x>] [--price-vcpu-second=<x>]
               [--price-gib-second=<x>] [--price-million-requests=<x>]
  main.py -h | --help
  main.py -v | --version

Options:
  -a <host>, --host=<host>  Address to listen on: 127.0.0.1 unless given; 0.0.0.0 for all of them.
  -p <port>, --port=<port>  Port to listen on: 9999 unless given.
  -d, --debug               Reload on changes of the code; show a crash in the browser on this machine;
                            hold answers against the response schemas.
  --models=<names>          Models to load, comma-separated: all but the opt-in ones unless given.
  -h, --help                Show this text.
  -v, --version             Show the version.

`main.py new SentimentModel` writes the files of a new model and mounts it; with --version=2 after the name,
those of a version. `main.py key shop` makes a key for a caller. `main.py plan --model=IrisModel --rate=200`
measures the model here, and says what that rate takes. Without these, this is Flask's own server, for one's
own machine; bin/start.sh runs the service under gunicorn.
"""

from docopt import docopt

from model_serving import Mount, __version__, arguments, create_app, run

MODELS = [
    Mount(
        'XXXModel',
        'model_serving.resources.xxx_model_resource:XXXModelResource',
        page='client/xxx-model-ajax-client.html',
    ),
    Mount(
        'IrisModel',
        'model_serving.resources.iris_model_resource:IrisModelResource',
        packages=('model_serving.models', 'numpy', 'skops.io'),
    ),
    Mount(
        'DigitsModel',
        'model_serving.resources.digits_model_resource:DigitsModelResource',
        packages=('model_serving.models', 'numpy', 'onnxruntime'),
        page='client/digits.html',
        card='client/digits-card.js',
    ),
    Mount(
        'CO2Model',
        'model_serving.resources.co2_model_resource:CO2ModelResource',
        packages=('model_serving.models', 'numpy', 'torch'),
        opt_in=True,
    ),
]
"""What is served: a line for each model, mounted at /v1/<name>."""

if __name__ == '__main__':
    run(MODELS, docopt(__doc__, arguments(), version=__version__))
else:
    app = create_app(MODELS)
