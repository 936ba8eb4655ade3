"""Settings of a model: the environment over its file over its defaults."""

from model_serving.settings import ROOT as ROOT
from model_serving.settings import SettingError as SettingError
from model_serving.settings import load_settings as load_settings
from model_serving.settings import setting as setting
