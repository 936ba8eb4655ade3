"""The models, and what their packages read from the environment when they are imported."""

import os

# onnxruntime would report to its maker, and write to the home folder.
os.environ.setdefault('ORT_DISABLE_TELEMETRY', '1')
# joblib, of scikit-learn, would warn where /dev/shm cannot be written. No model here uses its processes.
os.environ.setdefault('JOBLIB_MULTIPROCESSING', '0')
